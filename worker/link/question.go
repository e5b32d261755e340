// What the workers of a generation ask each other: what is asked of all clients of a pool concerns those of every worker.
// Workers have no links between them, so the master passes it on.
//
//	worker ──Question──► master ──Question──► every other worker of the generation
//	worker ◄──Answer──── master ◄──Answer──── each of them; for a slot without one the master answers
//
// The master itself asks workers of all generations what only they know, on behalf of an operator:
//
//	master ──Question, MasterAsks──► worker
//	master ◄──Answer, MasterAsks──── worker, a page of what there is; the next one is another question

package link

import "encoding/json"

// MaxQuestionBytes bounds QuestionBody.Request, so that the message has room for it.
const MaxQuestionBytes = 5 << 10

// MasterAsks is the slot of QuestionBody and AnswerBody where the master itself is the one that asks.
const MasterAsks = -1

// MaxPageBytes is about how much text an answer to the master brings; what is more begins the next page.
const MaxPageBytes = 128 << 10

// What the master asks, by QuestionBody.What. A worker that does not know one says so.
const (
	AskClients = "clients" // QuestionBody.Argument: ClientsQuestion; the text: a line of JSON for each, see ClientState
	AskMonitor = "monitor" // QuestionBody.Argument: MonitorQuestion; the text: likewise of requests since the last question, see ObservedRequest
)

// QuestionBody comes with Question, in both directions.
type QuestionBody struct {
	ID      uint64 `json:"id"`               // the asking worker's, for the answers
	Slot    int    `json:"slot"`             // of the worker that asks; the master says so
	Pool    int    `json:"pool"`             // index into Spec.Pools
	Client  uint64 `json:"client,omitempty"` // that asks
	Request []byte `json:"request"`          // what it has sent

	What     string          `json:"what,omitempty"`     // with MasterAsks: which of the things that a worker can tell
	From     uint64          `json:"from,omitempty"`     // likewise: where the page begins; 0: the first one
	Argument json.RawMessage `json:"argument,omitempty"` // likewise: what What needs
}

// AnswerBody comes with Answer, in both directions, and with the descriptor of a sealed memory file if there is a text.
type AnswerBody struct {
	ID     uint64 `json:"id"`
	Slot   int    `json:"slot"`             // to the master: of the worker that has asked; from the master: of the one that answers
	Count  int    `json:"count,omitempty"`  // clients that it concerned
	Failed string `json:"failed,omitempty"` // why there is no answer
	Vacant bool   `json:"vacant,omitempty"` // the slot has no worker, hence no clients
	Next   uint64 `json:"next,omitempty"`   // with MasterAsks: where the next page begins; 0: there is none
}
