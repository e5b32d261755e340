// The messages of a handoff. The old side owns the generation that serves, the new side makes the
// next one. At a reload one master is both; at an upgrade they are the old and the new master.
//
//	old side                               new side
//	       ◄──────────── hello ─────────────        upgrade only: versions, who I am
//	       ───────────── welcome, sockets ─►        upgrade only: what you inherit
//	                                                reads the configuration, starts workers, which connect to servers
//	       ◄──────────── counters ──────────        upgrade only: where its workers count, so that nothing is missing meanwhile
//	       ◄──────────── prepared ──────────        or failed: nothing has changed
//	       ───────────── counters… ────────►        upgrade only: where the workers count, so that you can read on
//	       ───────────── peer…, go ────────►        one connected pair of sockets for every two workers concerned, see handoff_pairs.go
//	       ───────────── suspect ──────────►        an old worker can hand nothing more to a new one
//	       ◄──────────── again ─────────────        a new worker needs peers: it is fresh, or those that it had do not work
//	       ───────────── moved ────────────►        only stragglers are left
//	       ◄──────────── settled ───────────        at a reload the point of no return
//	                                                upgrade only: the old side declares the new side to the service manager
//	       ───────────── agreed ───────────►        upgrade only: now it may take over, unless it has lost clients meanwhile:
//	                                                those it says by settled once more, and is agreed with once more
//	                                                upgrade only, the point of no return: it does, and tableflip's Ready says so
//	       ───────────── worker…, farewell ►        upgrade only: those that still have clients, the final counters
//	       ───────────── topology… ────────►        upgrade only, at any time: servers have moved
//	       ◄─────────── intent… ───────────►        upgrade only, at any time: what the other must know of what was asked for here
//
// Until settled (agreed) either side can say abort (the old one) or failed (the new one): the new workers hand their clients
// back, the new side says returned, and the old generation serves as before. After an abort because pinion stops no client
// is handed back: the workers of both sides end.

package master

import (
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/listen"
	"github.com/pinion-proxy/pinion/master/totals"
	"github.com/pinion-proxy/pinion/worker/link"
)

type messageKind string

const (
	messageHello    messageKind = "hello"
	messageWelcome  messageKind = "welcome"
	messageSockets  messageKind = "sockets"
	messagePrepared messageKind = "prepared"
	messageCounters messageKind = "counters"
	messagePeer     messageKind = "peer"
	messageGo       messageKind = "go"
	messageAgain    messageKind = "again"
	messageSuspect  messageKind = "suspect"
	messageMoved    messageKind = "moved"
	messageSettled  messageKind = "settled"
	messageAgreed   messageKind = "agreed"
	messageWorker   messageKind = "worker"
	messageFarewell messageKind = "farewell"
	messageFailed   messageKind = "failed"
	messageAbort    messageKind = "abort"
	messageReturned messageKind = "returned"
	messageIntent   messageKind = "intent"
	messageTopology messageKind = "topology"
)

// Versions of the messages between masters. A message may get new fields in any version, which older masters ignore; one
// that must not be ignored is named in Critical.
const (
	oldestConversation = 1
	newestConversation = 1
)

// message is one message of the handoff. Which fields count depends on the kind.
type message struct {
	Kind     messageKind `json:"kind"`
	Critical []string    `json:"critical,omitempty"` // names of fields that the receiver must know

	Oldest     int       `json:"oldest,omitempty"` // hello: conversations that it knows
	Newest     int       `json:"newest,omitempty"`
	Version    int       `json:"version,omitempty"` // welcome: the conversation from here on
	Build      string    `json:"build,omitempty"`
	PID        int       `json:"pid,omitempty"`        // hello, worker
	Generation uint64    `json:"generation,omitempty"` // welcome: the last that there was; counters, worker: whose; peer: whose, if not the old side's
	Clients    int       `json:"clients,omitempty"`    // welcome: that the old side has
	StartedAt  time.Time `json:"started_at,omitzero"`  // welcome: of the service

	Obeys    bool `json:"obeys,omitempty"`    // hello: leaves it to the old side to name it to the service manager
	Keeper   int  `json:"keeper,omitempty"`   // welcome: pid of the process that stays; -1: there is none
	Declares bool `json:"declares,omitempty"` // welcome: the old side does so, before it says agreed
	Recounts bool `json:"recounts,omitempty"` // welcome: the old side says agreed again to each settled

	Found totals.Addresses `json:"found,omitempty"` // welcome: where the old side's workers have found servers

	Stored []string `json:"stored,omitempty"` // welcome: names of what the service manager keeps of the old side's generation

	Sockets []socketName `json:"sockets,omitempty"` // sockets, prepared (the fresh ones): one descriptor each
	More    bool         `json:"more,omitempty"`    // sockets: others follow

	Slots       int                `json:"slots,omitempty"`       // prepared: of the new side; counters: of the generation
	Strict      bool               `json:"strict,omitempty"`      // welcome, prepared: refuse any unreachable server
	Unreachable []link.Unreachable `json:"unreachable,omitempty"` // prepared
	Patience    time.Duration      `json:"patience,omitempty"`    // prepared: as configured for the next generation
	HTTP        *socketName        `json:"http,omitempty"`        // sockets: the HTTP address, of which a message of its own has the descriptor
	Control     *socketName        `json:"control,omitempty"`     // sockets: likewise the admin socket, where it has no path
	Reading     *socketName        `json:"reading,omitempty"`     // sockets: likewise the one for reading
	Serves      []socketName       `json:"serves,omitempty"`      // prepared: where it is going to listen; network and address; none: not said
	Former      []listen.Former    `json:"former,omitempty"`      // welcome: sockets that workers may still empty

	Topology *link.Topology `json:"topology,omitempty"` // welcome: where servers are; topology: of pools of which that is news

	Pools   []link.Pool   `json:"pools,omitempty"`   // counters, welcome: names of pools, and servers as they are configured
	Bytes   int           `json:"bytes,omitempty"`   // counters: that every build lays out alike
	Listens []string      `json:"listens,omitempty"` // counters: what the clients of each of Pools connect to
	Left    time.Duration `json:"left,omitempty"`    // worker: until it must have ended; 0 = whenever it likes

	From   int    `json:"from,omitempty"`   // peer: slot of the old side's worker
	Slot   int    `json:"slot,omitempty"`   // peer, again, suspect: slot of the new side's worker; worker: its own
	Share  int    `json:"share,omitempty"`  // peer: of the clients, see link.PeerBody
	Hung   bool   `json:"hung,omitempty"`   // suspect: it does not answer
	Gone   bool   `json:"gone,omitempty"`   // suspect: it may have ended, which only its own master hears of
	Reason string `json:"reason,omitempty"` // suspect, failed, abort

	Unmoved bool `json:"unmoved,omitempty"` // abort: no worker was told to hand over clients

	Tally tally `json:"tally,omitempty"` // welcome, agreed: what the old master has counted itself

	Drain *drainNews `json:"drain,omitempty"` // welcome, agreed: the drain that is announced, which the new master goes on with; none: none is

	Legacy  *totals.Sums         `json:"legacy,omitempty"`  // go, farewell
	Past    *totals.Sums         `json:"past,omitempty"`    // go: the part of Legacy that generations have counted which are gone
	OfGone  *totals.Kept         `json:"of_gone,omitempty"` // go: what else is known of generations that are gone
	Balance map[string]int64     `json:"balance,omitempty"` // go: clients that those have taken less those that they have handed over, negated, by what Listens has
	Result  *admin.HandoffStatus `json:"result,omitempty"`  // moved, farewell

	Intents    bool     `json:"intents,omitempty"`    // hello, welcome: the sender knows the message intent
	Intent     string   `json:"intent,omitempty"`     // intent: the name of one; abort: stop, if nobody is to serve any more
	Waiting    []string `json:"waiting,omitempty"`    // farewell: names of those that the old side has not come to
	Verbosity  *int     `json:"verbosity,omitempty"`  // welcome, intent: that of the old side from now on
	Statistics string   `json:"statistics,omitempty"` // welcome: the address of the port of that name, as it was asked for
	LogLevel   *int     `json:"log_level,omitempty"`  // welcome: the configured one that Verbosity began with
	Stays      bool     `json:"stays,omitempty"`      // welcome: the old side's process does not end when it has left

	Lost       int    `json:"lost,omitempty"`        // settled, failed, returned: clients that the new side's workers have died with
	Kept       int    `json:"kept,omitempty"`        // clients that could not come back yet
	LostReason string `json:"lost_reason,omitempty"` // why those died

	fds []int // with peer, counters and worker one, with sockets and prepared as many as Sockets
}

// appendMessage appends the JSON form of w, without its descriptors.
func appendMessage(dst []byte, msg message) ([]byte, error) {
	text, err := json.Marshal(msg)
	return append(dst, text...), err
}

// parseMessage reads a message. One that must not be understood in part is refused as a whole.
func parseMessage(text []byte) (message, error) {
	var msg message
	if err := json.Unmarshal(text, &msg); err != nil {
		return msg, fmt.Errorf("reading what the other master said: %w", err)
	}
	for _, field := range msg.Critical {
		if !link.KnowsField(reflect.TypeFor[message](), field) {
			return msg, fmt.Errorf("the other master insists on %q, which pinion of this version does not know", field)
		}
	}
	return msg, nil
}

// conversation returns the latest version of the messages that both masters know.
func conversation(hello message) (int, error) {
	version := min(hello.Newest, newestConversation)
	if version < max(hello.Oldest, oldestConversation) {
		return 0, fmt.Errorf("pinion %s knows handoff versions %d to %d, this one %d to %d: no common handoff version; "+
			"restart the service to change between the two", hello.Build, hello.Oldest, hello.Newest, oldestConversation, newestConversation)
	}
	return version, nil
}
