// Asking: pages of all workers, one round after the other.

package survey

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/pinion-proxy/pinion/master/admin"
)

const (
	maxSurveys  = 8               // at a time; more are refused
	maxMonitors = 4               // likewise, of those that look on
	patience    = 3 * time.Second // with workers: none takes longer than some turns
)

// Desk asks the loop, unless done is closed, which means that the loop answers no more.
type Desk struct {
	rounds chan<- *Round
	done   <-chan struct{}
	room   chan struct{} // an element for each survey under way
	looks  chan struct{} // likewise for those that look on
}

// NewDesk returns one.
func NewDesk(rounds chan<- *Round, done <-chan struct{}) *Desk {
	return &Desk{rounds, done, make(chan struct{}, maxSurveys), make(chan struct{}, maxMonitors)}
}

// enter takes a place in a room, or refuses the request.
func enter(room chan struct{}, w http.ResponseWriter) bool {
	select {
	case room <- struct{}{}:
		return true
	default:
		admin.Refuse(w, admin.FailureBusy, fmt.Sprintf("%d such requests are being answered already; ask again later", cap(room)))
		return false
	}
}

// leave gives a place back.
func leave(room chan struct{}) { <-room }

// refused is an answer of the loop that says no.
type refused struct {
	text    string
	failure admin.Failure
}

func (r *refused) Error() string { return r.text }

// errEnded is the error of a master that ends.
var errEnded = &refused{"the master has ended before it could answer", admin.FailureReplaced}

// all asks all workers, until they have told everything or take returns an error, with which it ends. take is called with each page.
// Unheard are those that have not told everything, and why.
func (d *Desk) all(ctx context.Context, by *admin.Asker, q Inquiry, take func(Worker, []byte) error) (unheard []string, err error) {
	var from map[Worker]uint64
	for {
		next, failed, err := d.round(ctx, by, q, from, take)
		unheard = append(unheard, failed...)
		if err != nil || len(next) == 0 {
			return unheard, err
		}
		from = next
	}
}

// round asks once. It returns where the next pages begin.
func (d *Desk) round(ctx context.Context, by *admin.Asker, q Inquiry, from map[Worker]uint64, take func(Worker, []byte) error) (next map[Worker]uint64, unheard []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	begun, err := d.begin(ctx, by, q, from)
	if err != nil {
		return nil, nil, err
	}
	defer begun.Answers.Close()
	waiting := map[Worker]bool{}
	for _, w := range begun.Asked {
		waiting[w] = true
	}
	for w := range from {
		if !waiting[w] {
			unheard = append(unheard, w.String()+": it has ended")
		}
	}
	next = map[Worker]uint64{}
	for len(waiting) > 0 {
		select {
		case a := <-begun.Answers.come:
			delete(waiting, a.Worker)
			text, err := a.read()
			switch {
			case err != nil:
				unheard = append(unheard, fmt.Sprintf("%v: %v", a.Worker, err))
				continue
			case a.Failed != "":
				unheard = append(unheard, fmt.Sprintf("%v: %s", a.Worker, a.Failed))
				continue
			case a.Next != 0:
				next[a.Worker] = a.Next
			}
			if err := take(a.Worker, text); err != nil {
				return nil, unheard, err
			}
		case <-d.done:
			return nil, unheard, errEnded
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.Canceled) {
				return nil, unheard, ctx.Err()
			}
			for w := range waiting {
				unheard = append(unheard, w.String()+": it does not answer")
			}
			return next, unheard, nil
		}
	}
	return next, unheard, nil
}

// begin has the loop ask.
func (d *Desk) begin(ctx context.Context, by *admin.Asker, q Inquiry, from map[Worker]uint64) (b Begun, err error) {
	reply := make(chan Begun, 1)
	select {
	case d.rounds <- &Round{Inquiry: q, From: from, By: by, Begun: reply}:
	case <-d.done:
		return b, errEnded
	case <-ctx.Done():
		return b, ctx.Err()
	}
	b = <-reply // at once
	if b.Error != "" {
		return b, &refused{b.Error, b.Failure}
	}
	return b, nil
}
