// Events of the master: the sockets that pools listen on, and those whose paths are gone.

package logfile

import "github.com/pinion-proxy/pinion/worker/logevent"

var (
	SocketTaken        = master.Add(logevent.Debug, "socket_taken", "%s takes %s", "socket address")
	SocketChangeFailed = master.Add(logevent.Error, "socket_change_failed", "changing backlog and permissions: %v", "cause")
	QueueNotEmptied    = master.Add(logevent.Debug, "queue_not_emptied", "turning connections away from %s: %v", "address cause")
	ListenersMissing   = master.Add(logevent.Error, "listeners_missing", "listening sockets of generation %d are missing (%s): their workers have died%s; asking those that are there", "generation - -")
	ListenerLent       = master.Add(logevent.Notice, "listener_lent", "%s was lent by worker %d (pid %d)", "socket worker pid")
	ListenerNotLent    = master.Add(logevent.Error, "listener_not_lent", "%s was not lent: a new socket takes its place, and who waits in the other is lost with its worker", "socket")
	ListenersLost      = master.Add(logevent.Error, "listeners_lost", "generation %d has lost listening sockets: %v", "generation cause")
	SocketCheckSlow    = master.AddRepeating(logevent.Warn, "socket_check_slow", "looking at the paths of our sockets takes long; going on", "")
	SocketGone         = master.AddRepeating(logevent.Error, "socket_gone", "the socket %s is gone, nobody can connect there, and it cannot be bound anew: %v", "address cause")
	SocketRebound      = master.AddRepeating(logevent.Warn, "socket_rebound", "the socket %s (pool %q) was gone and is bound anew; does something clean up that directory?", "address pool")
	HTTPSocketRebound  = master.AddRepeating(logevent.Warn, "http_socket_rebound", "the HTTP socket %s was gone and is bound anew; does something clean up that directory?", "address")
)
