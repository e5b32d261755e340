// Questions: what is asked of all clients of a pool is asked of the other workers of the generation, too, through the master. The
// client that asks waits as it would for servers.

package core

import (
	"fmt"
	"slices"
	"time"

	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/memory"
	"github.com/pinion-proxy/pinion/worker/sock"
	"github.com/pinion-proxy/pinion/worker/timer"
)

const (
	errWorkerSilent = "ERR not all workers have answered in time"
	errNoMaster     = "ERR other workers cannot be asked: the master is dead"
	errWorkerBusy   = "ERR a worker is too busy to answer"
)

// questionTime is how long the other workers may take where the pool has no timeout.
const questionTime = 5 * time.Second

// questions are those of this worker's clients. One at a time is asked, so that clients cannot keep the master busy. Loop only.
type questions struct {
	l       *loop
	lastID  uint64      // beginning with the time, so that answers to an earlier worker of the slot find nobody
	waiting []*question // the first is being asked; the others are next
}

// question is one of them. Loop only.
type question struct {
	id      uint64
	client  *client
	request *request // in the client's out queue
	asks    clientsRequest
	bytes   []byte // as the client has sent it
	left    int    // workers that have not answered
	timer   timer.Timer

	count     int            // of clients that were meant
	text      *memory.Buffer // what CLIENT LIST tells of them
	killAsker bool
}

// askAllWorkers answers a request about all clients of the pool, when all workers have carried it out.
func (c *client) askAllWorkers(cmd *resp.Command, b []byte, args []resp.Span, _ int) {
	l := c.pool.l
	if len(b) > link.MaxQuestionBytes {
		c.respondScratch(resp.AppendTooLong(l.scratch[:0], cmd, link.MaxQuestionBytes))
		return
	}
	order, failure := parseClientsRequest(opOf(cmd), c.id, b, args)
	if user := order.filter.user; failure == "" && user != nil && !c.pool.hasUser(user) {
		failure = fmt.Sprintf("ERR No such user '%.128s'", user)
	}
	if failure != "" {
		c.respondScratch(resp.AppendError(l.scratch[:0], failure))
		return
	}
	if !c.caughtUp() {
		return
	}
	order.asked = l.now
	r := l.requests.get()
	r.command = cmd
	r.bytes = int32(len(b))
	c.push(r)
	c.waitBehind()
	l.questions.add(&question{client: c, request: r, asks: order, bytes: append([]byte(nil), b...)})
}

// add asks q when those before it are answered.
func (qs *questions) add(q *question) {
	l := qs.l
	qs.lastID++
	q.id = qs.lastID
	l.memory.Charge(questionBytes + len(q.bytes))
	patience := q.client.pool.timeout
	if patience == 0 {
		patience = int64(questionTime)
	}
	q.timer.Fire = func() { qs.end(q, errWorkerSilent) }
	l.timers.Set(&q.timer, l.now+patience)
	qs.waiting = append(qs.waiting, q)
	if len(qs.waiting) == 1 {
		qs.ask(q)
	}
}

// questionBytes is about what a question costs beside its text.
const questionBytes = 512

// ask asks all workers, this one included.
func (qs *questions) ask(q *question) {
	l, p := qs.l, q.client.pool
	q.left = l.spec.Slots
	if q.left > 1 {
		if l.master == nil {
			qs.end(q, errNoMaster)
			return
		}
		l.master.send(link.Question, link.Body(link.QuestionBody{ID: q.id, Pool: p.index, Client: q.client.id, Request: q.bytes}))
	}
	p.scanClients(q.asks, func(s *clientsScan) {
		q.killAsker = s.killAsker
		qs.answered(q, s.count, s.text, s.err)
	})
}

// answered adds what one worker has answered, and takes its text.
func (qs *questions) answered(q *question, count int, text *memory.Buffer, err error) {
	if q.request == nil { // it is over
		qs.l.memory.Put(text)
		return
	}
	q.count += count
	q.left--
	if err == nil {
		err = q.add(text)
	}
	switch {
	case err != nil:
		qs.end(q, "ERR "+foreignCause(errNoMemory))
	case q.left == 0:
		qs.end(q, "")
	}
}

// add appends a text, which it takes.
func (q *question) add(text *memory.Buffer) error {
	m := q.client.pool.l.memory
	if q.text == nil {
		q.text = text
		return nil
	}
	defer m.Put(text)
	for cap(q.text.B)-len(q.text.B) < len(text.Bytes()) {
		if err := m.Grow(q.text, len(text.B)); err != nil {
			return err
		}
	}
	q.text.B = append(q.text.B, text.Bytes()...)
	return nil
}

// end answers the client, with an error if there is a failure, and asks what is next.
func (qs *questions) end(q *question, failure string) {
	l, c, r := qs.l, q.client, q.request
	l.timers.Stop(&q.timer)
	q.request = nil
	if c.life != clientClosed {
		l.answer(r, q.reply(failure), nil)
		if q.killAsker && failure == "" && c.life == clientOpen {
			c.leave(link.Killed)
		}
	}
	l.memory.Put(q.text)
	l.memory.Uncharge(questionBytes + len(q.bytes))
	at := slices.Index(qs.waiting, q)
	qs.waiting = slices.Delete(qs.waiting, at, at+1)
	if at == 0 && len(qs.waiting) > 0 {
		qs.ask(qs.waiting[0])
	}
}

// reply returns the reply to q, valid until the next one.
func (q *question) reply(failure string) []byte {
	l := q.client.pool.l
	if failure != "" {
		l.scratch = resp.AppendError(l.scratch[:0], failure)
		return l.scratch
	}
	l.scratch = q.asks.appendReply(l.scratch[:0], q.client.version(), q.count, q.text.Bytes())
	return l.scratch
}

// handleQuestion carries out what a client of another worker asks, and answers that worker.
func (c *masterLink) handleQuestion(m link.Message) error {
	var body link.QuestionBody
	if err := link.ParseBody(m, &body); err != nil {
		return err
	}
	if body.Slot == link.MasterAsks {
		c.tellMaster(&body)
		return nil
	}
	answer := link.AnswerBody{ID: body.ID, Slot: body.Slot}
	order, failure := c.l.readQuestion(&body)
	if failure != "" {
		answer.Failed = failure
		c.send(link.Answer, link.Body(answer))
		return nil
	}
	c.l.pools[body.Pool].scanClients(order, func(s *clientsScan) {
		answer.Count = s.count
		if s.err != nil {
			answer.Failed = "ERR " + foreignCause(s.err)
		}
		c.l.master.sendAnswer(answer, s.text.Bytes())
		c.l.memory.Put(s.text)
	})
	return nil
}

// unreadable is answered to what this build does not know.
const unreadable = "ERR a worker of another build cannot answer"

// readQuestion reads the request in a question, or returns why it cannot be answered.
func (l *loop) readQuestion(body *link.QuestionBody) (o clientsRequest, failure string) {
	n, args, err := resp.ConsumeRequest(body.Request, nil)
	if err != nil || n == 0 || body.Pool < 0 || body.Pool >= len(l.pools) {
		return o, unreadable
	}
	cmd := resp.Lookup(args[0].Of(body.Request))
	if cmd != nil {
		cmd = cmd.Resolve(body.Request, args)
	}
	if cmd == nil || opOf(cmd) == 0 || !cmd.CheckArity(len(args)) {
		return o, unreadable
	}
	return parseClientsRequest(opOf(cmd), body.Client, body.Request, args)
}

// isClientsRequest tells whether op is carried out by all workers.
func isClientsRequest(op resp.LocalOp) bool {
	switch op {
	case resp.LocalClientList, resp.LocalClientKill, resp.LocalClientPause, resp.LocalClientUnpause, resp.LocalClientUnblock:
		return true
	}
	return false
}

// sendAnswer sends an answer with its text, a memory file. If the socket has no room for the descriptor, the worker that asks is
// told so: an answer that is late is as good as none. c may be nil.
func (c *masterLink) sendAnswer(answer link.AnswerBody, text []byte) {
	if c == nil {
		return
	}
	if len(text) > 0 && answer.Failed == "" {
		fd, err := sock.MemfdSealed("pinion-answer", text)
		if err == nil {
			defer sock.Close(fd)
		}
		if err == nil && len(c.unsent) == 0 {
			err = sock.SendFDs(c.fd, link.AppendMessage(nil, link.Message{Kind: link.Answer, Body: link.Body(answer)}), []int{fd})
			if err == nil {
				return
			}
		}
		answer.Failed = errWorkerBusy
	}
	c.send(link.Answer, link.Body(answer))
}

// handleAnswer takes the answer of another worker. It takes over the descriptors.
func (c *masterLink) handleAnswer(m link.Message, fds []int) error {
	defer sock.CloseAll(fds)
	l := c.l
	var body link.AnswerBody
	if err := link.ParseBody(m, &body); err != nil {
		return err
	}
	qs := &l.questions
	if len(qs.waiting) == 0 || qs.waiting[0].id != body.ID {
		return nil // it is over
	}
	q := qs.waiting[0]
	if body.Failed != "" {
		qs.end(q, body.Failed)
		return nil
	}
	var text *memory.Buffer
	if len(fds) > 0 {
		mapped, err := sock.MapSealed(fds[0])
		if err == nil {
			text, err = l.memory.CopyOf(mapped)
			_ = sock.Unmap(mapped)
		}
		if err != nil {
			qs.end(q, "ERR "+foreignCause(errNoMemory))
			return nil
		}
	}
	qs.answered(q, body.Count, text, nil)
	return nil
}
