// What the workers of a generation ask each other: what is asked of all clients of a pool concerns those of every worker.
// Workers have no links between them, so the master passes it on.
//
//	worker ──Question──► master ──Question──► every other worker of the generation
//	worker ◄──Answer──── master ◄──Answer──── each of them; for a slot without one the master answers

package link

// MaxQuestionBytes bounds QuestionBody.Request, so that the message has room for it.
const MaxQuestionBytes = 5 << 10

// QuestionBody comes with Question, in both directions.
type QuestionBody struct {
	ID      uint64 `json:"id"`               // the asking worker's, for the answers
	Slot    int    `json:"slot"`             // of the worker that asks; the master says so
	Pool    int    `json:"pool"`             // index into Spec.Pools
	Client  uint64 `json:"client,omitempty"` // that asks
	Request []byte `json:"request"`          // what it has sent
}

// AnswerBody comes with Answer, in both directions, and with the descriptor of a sealed memory file if there is a text.
type AnswerBody struct {
	ID     uint64 `json:"id"`
	Slot   int    `json:"slot"`             // to the master: of the worker that has asked; from the master: of the one that answers
	Count  int    `json:"count,omitempty"`  // clients that it concerned
	Failed string `json:"failed,omitempty"` // why there is no answer
	Vacant bool   `json:"vacant,omitempty"` // the slot has no worker, hence no clients
}
