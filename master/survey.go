// What operators ask of the workers: the loop passes questions on, and their answers to whoever has asked, beside the loop.

package master

import (
	"maps"
	"slices"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/process"
	"github.com/pinion-proxy/pinion/master/survey"
	"github.com/pinion-proxy/pinion/worker/link"
)

// surveys are the rounds whose answers are still to come.
type surveys struct {
	rounds chan *survey.Round
	lastID uint64
	open   map[uint64]*openRound
}

// openRound is one of them.
type openRound struct {
	answers *survey.Answers
	waiting map[*process.Worker]survey.Worker
}

func newSurveys() surveys {
	return surveys{rounds: make(chan *survey.Round), open: map[uint64]*openRound{}}
}

// beginRound passes a question on to the workers that are meant.
func (m *master) beginRound(r *survey.Round) {
	switch {
	case !m.mayAsk(r.By):
		r.Begun <- survey.Begun{Error: admin.ErrWorkerAsks, Failure: admin.FailureCaller}
		return
	case m.mayBeReplaced():
		r.Begun <- survey.Begun{Error: "another master is about to take over", Failure: admin.FailureReplaced}
		return
	case r.Pool != "" && !slices.Contains(m.poolNames(), r.Pool):
		r.Begun <- survey.Begun{Error: m.noPool(r.Pool), Failure: admin.FailureUnknown}
		return
	}
	maps.DeleteFunc(m.surveys.open, func(_ uint64, o *openRound) bool { return o.answers.Closed() })
	m.surveys.lastID++
	id, round := m.surveys.lastID, &openRound{waiting: map[*process.Worker]survey.Worker{}}
	slots := m.generations.slots()
	round.answers = survey.NewAnswers(len(slots))
	begun := survey.Begun{Answers: round.answers}
	m.surveys.open[id] = round
	for _, s := range slots {
		if s.process == nil || s.state == slotStarting || s.state == slotDying {
			continue
		}
		w := survey.Worker{Generation: s.generation.number, Slot: s.index, PID: s.process.PID}
		from, isMeant := r.From[w]
		if r.From != nil && !isMeant {
			continue
		}
		begun.Asked = append(begun.Asked, w)
		if s.hangs() {
			round.answers.Put(w, link.AnswerBody{Failed: "it hangs"}, -1)
			continue
		}
		q := r.Question
		q.ID, q.Slot, q.From = id, link.MasterAsks, from
		round.waiting[s.process] = w
		m.pass(s, link.Message{Kind: link.Question, Body: link.Body(q)})
	}
	if len(round.waiting) == 0 {
		delete(m.surveys.open, id)
	}
	r.Begun <- begun
}

// workerTells passes on what a worker has answered to the master. It takes over its memory file.
func (m *master) workerTells(s *slot, body link.AnswerBody, fds []int) {
	round := m.surveys.open[body.ID]
	if round == nil {
		return
	}
	w, isAsked := round.waiting[s.process]
	if !isAsked {
		return
	}
	text := -1
	if len(fds) > 0 {
		text, fds[0] = fds[0], -1
	}
	m.concludeAnswer(body.ID, s.process, w, body, text)
}

// concludeAnswer hands the answer of a worker on; the last one ends the round.
func (m *master) concludeAnswer(id uint64, p *process.Worker, w survey.Worker, body link.AnswerBody, text int) {
	round := m.surveys.open[id]
	delete(round.waiting, p)
	round.answers.Put(w, body, text)
	if len(round.waiting) == 0 {
		delete(m.surveys.open, id)
	}
}

// tellsNoMore is called when a worker has ended.
func (m *master) tellsNoMore(p *process.Worker) {
	for id, round := range maps.Clone(m.surveys.open) {
		if w, isAsked := round.waiting[p]; isAsked {
			m.concludeAnswer(id, p, w, link.AnswerBody{Failed: "it has ended"}, -1)
		}
	}
}
