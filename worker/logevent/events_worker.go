// Events of workers.

package logevent

// Worker is the table of the events of workers.
var Worker Table

var (
	ClientNotReading    = Worker.AddRepeating(Warn, "client_not_reading", "pool %q: closing client %d at %s, which has not taken %d bytes of replies: %s is reached", "pool client client_address bytes cause")
	RequestTooLarge     = Worker.AddRepeating(Info, "request_too_large", "pool %q: closing client %d at %s: its request is larger than max_request_bytes", "pool client client_address")
	ClientKeepalive     = Worker.AddRepeating(Warn, "client_keepalive", "pool %q: setting keepalive on a client: %v", "pool cause")
	NoMemory            = Worker.AddRepeating(Error, "no_memory", "pool %q: closing client %d at %s: %v", "pool client client_address cause")
	ClientEnded         = Worker.AddRepeating(Debug, "client_ended", "pool %q: client %d: %v", "pool client cause")
	ClientIdle          = Worker.AddRepeating(Info, "client_idle", "pool %q: closing client %d at %s, which has sent nothing for client_idle_timeout", "pool client client_address")
	ClientEvicted       = Worker.AddRepeating(Warn, "client_evicted", "pool %q: closing client %d at %s, which %s: %v", "pool client client_address - cause")
	ClientsEvicted      = Worker.AddRepeating(Warn, "clients_evicted", "closed %s within %v: %v", "- within_seconds cause clients")
	ClientClosed        = Worker.AddRepeating(Notice, "client_closed", "%s is closed: that was asked for through the admin socket", "-")
	ClientsClosed       = Worker.AddRepeating(Notice, "clients_closed", "%s and %s are closed: that was asked for through the admin socket", "- - clients")
	ClientKilled        = Worker.AddRepeating(Info, "client_killed", "pool %q: client %d at %s is closed: client %d has asked for that", "pool client client_address by_client")
	ServerKeepalive     = Worker.AddRepeating(Warn, "server_keepalive", "pool %q: setting keepalive on a connection to server %q: %v", "pool server cause")
	ReplyUnmergeable    = Worker.AddRepeating(Warn, "reply_unmergeable", "pool %q: closing client %d at %s: %v", "pool client client_address cause")
	ListenerUnwatched   = Worker.AddRepeating(Error, "listener_unwatched", "pool %q: watching a listener: %v", "pool cause")
	AcceptFailed        = Worker.AddRepeating(Error, "accept_failed", "pool %q: accepting a client: %v", "pool cause")
	AcceptPaused        = Worker.AddRepeating(Error, "accept_paused", "pool %q: accepting clients: %v; %s or lower client_connections", "pool cause -")
	MasterMessageFailed = Worker.AddRepeating(Error, "master_message_failed", "%v", "cause")
	MoveUnwritten       = Worker.AddRepeating(Warn, "move_unwritten", "writing the state of %d clients: %v", "clients cause")
	MoveDescriptors     = Worker.AddRepeating(Warn, "move_descriptors", "receiving clients from worker %d: %d of %d descriptors have come; raise LimitNOFILE= (ulimit -n)", "from_worker got wanted")
	MoveBroken          = Worker.AddRepeating(Warn, "move_broken", "receiving clients from worker %d: %v", "from_worker cause")
	MoveUnreadable      = Worker.AddRepeating(Warn, "move_unreadable", "receiving a client from worker %d: %v", "from_worker cause")
	MoveRefused         = Worker.AddRepeating(Warn, "move_refused", "pool %q: receiving client %d: %v", "pool client cause")
	PeerFailed          = Worker.AddRepeating(Warn, "peer_failed", "worker %d of the other generation: %s", "peer_worker cause")
	RequestRefused      = Worker.AddRepeating(Notice, "request_refused", "pool %q: refusing %q of client %d at %s: %s", "pool command client client_address cause")
	ClientHandshake     = Worker.AddRepeating(Info, "client_tls_failed", "pool %q: client %d at %s: TLS handshake: %v", "pool client client_address cause")
	ClientTurnedAway    = Worker.AddRepeating(Warn, "client_turned_away", "pool %q: turning away a client at %s: all %d client_connections are taken", "pool client_address limit")
	LoginsRefused       = Worker.AddRepeating(Warn, "logins_refused", "pool %q: refusing to look at a password of client %d at %s: more than %d wrong ones have come from there lately", "pool client client_address limit")
	ProtocolError       = Worker.AddRepeating(Info, "protocol_error", "pool %q: client %d at %s: %v", "pool client client_address cause")
	NotBinary           = Worker.AddRepeating(Info, "not_binary", "pool %q: client %d at %s: no request of the binary protocol begins with %#x", "pool client client_address byte")

	Unbranded  = Worker.AddRepeating(Warn, "unbranded", "serving without the brand of a worker: %v", "cause")
	Unconfined = Worker.AddRepeating(Warn, "unconfined", "serving without a sandbox: %v", "cause")
	Unfiltered = Worker.AddRepeating(Info, "unfiltered", "serving without a filter of system calls: %v", "cause")
	LinesLost  = Worker.Add(Warn, "worker_lines_lost", "%d log lines were lost: the master was busy", "lines")
	TimerSlack = Worker.AddRepeating(Info, "timer_slack", "setting the timer slack: %v", "cause")

	ServerFailed        = Worker.AddRepeating(Warn, "server_failed", "pool %q: server %q at %s: %s", "pool server address cause")
	ServerAnswers       = Worker.AddRepeating(Notice, "server_answers", "pool %q: server %q answers again", "pool server")
	ServerEjected       = Worker.AddRepeating(Warn, "server_ejected", "pool %q: server %q ejected for %v%s: %v", "pool server for_seconds - cause")
	ServerStaysEjected  = Worker.AddRepeating(Notice, "server_stays_ejected", "pool %q: server %q stays ejected: %s", "pool server cause")
	ServerReadmitted    = Worker.AddRepeating(Notice, "server_readmitted", "pool %q: server %q answers again, readmitted%s", "pool server -")
	ServerMoved         = Worker.AddRepeating(Notice, "server_moved", "pool %q: server %q moves from %s to %s", "pool server from_address address")
	ServerNameStale     = Worker.AddRepeating(Warn, "server_name_stale", "pool %q: server %q at %s: %v; going on with what was found earlier", "pool server address cause")
	ServerWantsPassword = Worker.AddRepeating(Warn, "server_wants_password", "pool %q: server %q at %s wants a password; set %s", "pool server address -")
	ServerFull          = Worker.AddRepeating(Warn, "server_full", "pool %q: server %q at %s is full, and refuses writes: %s; raise its memory limit, or have it evict keys (maxmemory-policy)", "pool server address cause")
	ServerClients       = Worker.AddRepeating(Warn, "server_clients", "pool %q: server %q at %s takes no more clients: %s; raise its maxclients, or lower server_connections", "pool server address cause")
	ServerProtests      = Worker.AddRepeating(Warn, "server_protests", "pool %q: server %q at %s answers requests with an error: %s", "pool server address cause")
	PoolEjected         = Worker.AddRepeating(Error, "pool_ejected", "pool %q: all servers of the pool are ejected: every request gets an error until one of them answers again", "pool")
	ServerOpen          = Worker.AddRepeating(Warn, "server_open", "pool %q: server %q at %s has no password: clients must give redis_auth, but the server asks nobody for it; set its requirepass", "pool server address")
	DedicatedTaken      = Worker.AddRepeating(Warn, "dedicated_taken", "pool %q: server %q has %s: dedicated_connections is reached", "pool server - limit")
	ReplyGivenUp        = Worker.AddRepeating(Warn, "reply_given_up", "pool %q: giving up a reply of server %q at %s: %v", "pool server address cause")
	QueuedRefused       = Worker.AddRepeating(Warn, "queued_refused", "pool %q: server %q at %s refuses a request of a transaction: %.200s", "pool server address cause")
	NodeDemoted         = Worker.AddRepeating(Notice, "node_demoted", "pool %q: closing connections to node %s, which is no master there any more", "pool address")
	ReplicaFailed       = Worker.AddRepeating(Warn, "replica_failed", "pool %q: replica of server %q at %s: %s; reads go elsewhere", "pool server address cause")
	ReplicaAnswers      = Worker.AddRepeating(Notice, "replica_answers", "pool %q: replica of server %q at %s answers again", "pool server address")

	Request = Worker.Add(Notice, "request", "pool %q: client %d at %s: %s %q to server %q took %v: waiting to be sent %v, server %v, behind earlier ones %v",
		"pool client client_address command key server took_seconds wait_seconds server_seconds behind_seconds client_name address of")
	SlowRequest = Worker.Add(Warn, "slow_request", "pool %q: slow: client %d at %s: %s %q to server %q took %v: waiting to be sent %v, server %v, behind earlier ones %v",
		"pool client client_address command key server took_seconds wait_seconds server_seconds behind_seconds client_name address")
)
