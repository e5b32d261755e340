// A round: one question to workers, and their answers.

package survey

import (
	"fmt"
	"sync"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// Worker names one.
type Worker struct {
	Generation uint64
	Slot       int
	PID        int
}

func (w Worker) String() string {
	return fmt.Sprintf("worker %d of generation %d", w.Slot, w.Generation)
}

// Inquiry is what is asked.
type Inquiry struct {
	Pool     string            // there has to be one of that name; empty: all are meant
	Question link.QuestionBody // but for its ID
}

// Round is an inquiry on its way to the loop, which answers it exactly once.
type Round struct {
	Inquiry
	From  map[Worker]uint64 // whom to ask, each for the page that begins there; nil: all workers, for the first one
	By    *admin.Asker
	Begun chan<- Begun // has room for one
}

// Begun says whom the loop has asked.
type Begun struct {
	Asked   []Worker
	Answers *Answers
	Error   string // why nobody is asked
	Failure admin.Failure
}

// Answer is what one worker has said.
type Answer struct {
	Worker Worker
	link.AnswerBody
	text int // a memory file; -1: none
}

// Answers holds those that have come. The loop puts them in, and never waits for who takes them out.
type Answers struct {
	come chan Answer

	mu     sync.Mutex
	closed bool
}

// NewAnswers has room for so many.
func NewAnswers(room int) *Answers { return &Answers{come: make(chan Answer, room)} }

// Put takes over the memory file text; -1: there is none.
func (a *Answers) Put(from Worker, body link.AnswerBody, text int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.closed {
		a.come <- Answer{from, body, text}
	} else if text >= 0 {
		sock.Close(text)
	}
}

// Close drops what has come and what is still to come.
func (a *Answers) Close() {
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	for {
		select {
		case left := <-a.come:
			left.drop()
		default:
			return
		}
	}
}

// Closed tells whether nobody waits for answers any more.
func (a *Answers) Closed() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.closed
}

func (a *Answer) drop() {
	if a.text >= 0 {
		sock.Close(a.text)
	}
}

// maxAnswerBytes is more than a worker of any build brings.
const maxAnswerBytes = 16 * link.MaxPageBytes

// read returns the text of the answer, which is over then.
func (a *Answer) read() ([]byte, error) {
	if a.text < 0 {
		return nil, nil
	}
	defer a.drop()
	mapped, err := sock.MapSealed(a.text)
	if err != nil {
		return nil, err
	}
	defer sock.Unmap(mapped)
	if len(mapped) > maxAnswerBytes {
		return nil, fmt.Errorf("it has answered with %d bytes", len(mapped))
	}
	return append([]byte(nil), mapped...), nil
}
