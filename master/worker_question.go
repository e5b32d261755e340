// What a client asks of all clients of its pool: its worker asks the others of its generation, and the master carries questions
// and answers between them. It reads neither.

package master

import "github.com/pinion-proxy/pinion/worker/link"

// workerAsks passes a question on to every other worker of the generation, and answers for slots that have none.
func (m *master) workerAsks(s *slot, msg link.Message) {
	var body link.QuestionBody
	if !m.read(s, msg, &body) {
		return
	}
	body.Slot = s.index
	question := link.Message{Kind: link.Question, Body: link.Body(body)}
	for _, other := range s.generation.slots {
		switch {
		case other == s:
		case other.process == nil || other.state == slotStarting || other.state == slotDying:
			m.pass(s, link.Message{Kind: link.Answer, Body: link.Body(link.AnswerBody{ID: body.ID, Slot: other.index, Vacant: true})})
		default:
			m.pass(other, question)
		}
	}
}

// workerAnswers passes an answer on to the worker that has asked, if it is still there.
func (m *master) workerAnswers(s *slot, msg link.Message, fds []int) {
	var body link.AnswerBody
	if !m.read(s, msg, &body) {
		return
	}
	if body.Slot == link.MasterAsks {
		m.workerTells(s, body, fds)
		return
	}
	if body.Slot < 0 || body.Slot >= len(s.generation.slots) {
		return
	}
	asker := s.generation.slots[body.Slot]
	if asker.process == nil {
		return
	}
	body.Slot = s.index
	m.pass(asker, link.Message{Kind: link.Answer, Body: link.Body(body)}, fds[:min(len(fds), 1)]...)
}
