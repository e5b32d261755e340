// Why connections of clients end.

package link

// Closing is why a connection of a client has ended, but for moving to another worker. The numbers are this build's: the memory has the
// names.
type Closing uint8

const (
	HungUp         Closing = iota // the client has sent its last byte
	Broken                        // the connection broke
	OutputUntaken                 // it did not take its replies: client_output_hard, subscriber_output_hard
	MemoryShort                   // it held too much while memory was short
	Idle                          // client_idle_timeout
	Killed                        // as an operator or another client has asked
	RequestTooLong                // max_request_bytes
	NoRequest                     // it has sent what is no request
	TurnedAway                    // client_connections
	WorkerEnded                   // the worker has ended, and nobody took it over
	NoPlace                       // a new configuration has no place for it: its address, or its pool, is gone
	ServerLost                    // a server does not serve it any more as it has been told: its subscription, MONITOR or CLIENT TRACKING
	Refused                       // it was refused a command by which those behind it mean something else: MULTI, SELECT
	ReplyCut                      // a server has failed when a part of the reply was on its way

	NumClosings = iota
)

// Closings are their names, as metrics have them.
var Closings = [NumClosings]string{
	HungUp: "hung_up", Broken: "broken", OutputUntaken: "output_limit", MemoryShort: "memory", Idle: "idle", Killed: "killed",
	RequestTooLong: "request_too_large", NoRequest: "no_request", TurnedAway: "turned_away",
	WorkerEnded: "drained", NoPlace: "removed", ServerLost: "server_lost", Refused: "refused", ReplyCut: "reply_cut",
}

func init() {
	for cause, name := range Closings {
		PoolCounters[FirstClosing+cause] = CounterInfo{"closed_" + name, Counter, "connections of clients that have ended: " + name}
	}
	for bucket := range TurnBuckets {
		WorkerCounters[FirstTurnBucket+bucket] = CounterInfo{turnNames[bucket], Counter, "turns of the loop that took no longer than that"}
	}
}
