// Where a client stands on its way to another worker: what the mover knows of it. The client itself only asks.

package worker

import "fmt"

// moving is what moving has to do with a client. Only give.go, offer.go and take.go change it.
type moving struct {
	stage   moveStage
	verdict moveVerdict
}

// moveStage is how far a client is on its way.
//
//	staying ──► frozen ──► packed ──► away ──► another worker has it, and here it is closed
//	   ▲          │          │          │
//	   └──────────┴──────────┴──────────┘  it is not to go, or cannot
type moveStage uint8

const (
	moveStaying moveStage = iota
	moveFrozen            // not read any more, owed replies
	movePacked            // owed nothing: waits for a peer
	moveAway              // offered to a peer; in the loop's table a traveller stands for it
)

var moveStageNames = [...]string{"staying", "frozen", "packed", "away"}

func (s moveStage) String() string { return moveStageNames[s] }

// legalMove[from] is the set of stages that may follow.
var legalMove = [...]uint8{
	moveStaying: 1 << moveFrozen,
	moveFrozen:  1<<movePacked | 1<<moveStaying,
	movePacked:  1<<moveAway | 1<<moveStaying,
	moveAway:    1 << moveStaying,
}

func (m *moving) become(next moveStage) {
	if legalMove[m.stage]&(1<<next) == 0 {
		panic(fmt.Sprintf("worker: a client cannot go from %v to %v", m.stage, next))
	}
	m.stage = next
}

// moveVerdict is what the other generation has said of a client, until that is rolled back.
type moveVerdict uint8

const (
	moveUndecided  moveVerdict = iota
	moveUnreadable             // it does not understand the client's state: the client stays
	moveUnwanted               // it has no place for the client, which is closed when that generation is settled
)

// frozen tells whether the client is not read because it is about to move.
func (m moving) frozen() bool { return m.stage != moveStaying }

// away tells whether the client is on its way to another worker, together with all that it is still to get.
func (m moving) away() bool { return m.stage == moveAway }

// unwanted tells whether the client is closed, once idle, instead of moving.
func (m moving) unwanted() bool { return m.verdict == moveUnwanted }
