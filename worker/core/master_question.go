// What the master asks on behalf of an operator: what only the worker knows, a page at a time.

package core

import (
	"encoding/json"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/memory"
)

// page is what the worker tells, of which the master asks for the next one when it has got it.
type page struct {
	text   *memory.Buffer // taken; nil: empty
	next   uint64         // where the next one begins; 0: there is none
	count  int            // what the teller counts
	failed string         // why there is nothing to tell
}

// tellers make pages, in this turn or in several, and call done once with each. By link.QuestionBody.What.
var tellers = map[string]func(l *loop, q *link.QuestionBody, done func(page)){
	link.AskClients: (*loop).tellClients,
	link.AskMonitor: (*loop).tellObserved,
}

// tellMaster answers a question of the master.
func (c *masterLink) tellMaster(q *link.QuestionBody) {
	l, answer := c.l, link.AnswerBody{ID: q.ID, Slot: link.MasterAsks}
	tell := tellers[q.What]
	if tell == nil {
		answer.Failed = unreadable
		c.send(link.Answer, link.Body(answer))
		return
	}
	tell(l, q, func(p page) {
		answer.Next, answer.Count, answer.Failed = p.next, p.count, p.failed
		l.master.sendAnswer(answer, p.text.Bytes())
		l.memory.Put(p.text)
	})
}

// readArgument reads what a question of the master says, or returns why it cannot be answered.
func readArgument(q *link.QuestionBody, into any) (failed string) {
	if len(q.Argument) > 0 && json.Unmarshal(q.Argument, into) != nil {
		return unreadable
	}
	return ""
}
