// Events of the master: sockets that are taken over from another program, as nutcracker, and left to one.

package logfile

import "github.com/pinion-proxy/pinion/worker/logevent"

var (
	NothingToTake     = master.Add(logevent.Warn, "nothing_to_take", "%v: starting without", "cause")
	SocketsUnused     = master.Add(logevent.Warn, "sockets_unused", "%s", "cause")
	SocketTakenOver   = master.Add(logevent.Info, "socket_taken_over", "%s is taken over from %s", "address program")
	SocketShared      = master.Add(logevent.Notice, "sockets_shared", "%s and pinion accept from the same sockets", "program")
	OtherNotEnded     = master.Add(logevent.Error, "other_not_ended", "%v", "cause")
	OtherEnded        = master.Add(logevent.Notice, "other_ended", "%s has ended; all who connect come to pinion", "program")
	OtherStartedAgain = master.Add(logevent.Warn, "other_started_again", "%s", "cause")
	OtherUnknown      = master.Add(logevent.Warn, "other_unknown", "finding out which other programs have the sockets: %v", "cause")
	SocketAlone       = master.Add(logevent.Notice, "socket_alone", "all workers accept from one socket on %s: the kernel lets no others join it: %v", "address cause")
	SocketNotLeft     = master.Add(logevent.Warn, "socket_not_left", "leaving %s to another program: %v", "address cause")
)
