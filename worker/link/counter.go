// The counters that a worker keeps: their names, which are nutcracker's, their kind and their meaning. The statistics
// port, -D and the documentation all come from these tables.

package link

// CounterKind tells how a counter is summed and whether it outlives its worker.
type CounterKind uint8

const (
	Counter   CounterKind = iota // only grows; summed; outlives the worker
	Gauge                        // what is there now; summed; zeroed when the worker dies
	Timestamp                    // µs since the epoch; the latest counts
	state                        // not a counter: it is not summed
)

// CounterInfo describes one counter.
type CounterInfo struct {
	Name string
	Kind CounterKind
	Doc  string
}

// Counters of a worker as a whole.
const (
	TotalConnections = iota
	CurrConnections

	// The statistics do not show what follows: it is for metrics.
	MemoryHeld
	TurnMicros
	FirstTurnBucket   // and one for each further bucket, see TurnBucket
	numWorkerCounters = FirstTurnBucket + TurnBuckets
)

// WorkerCounters describes the counters of a worker, by index.
var WorkerCounters = [numWorkerCounters]CounterInfo{
	TotalConnections: {"total_connections", Counter, "connections opened since the start: clients, servers and listeners"},
	CurrConnections:  {"curr_connections", Gauge, "connections open now: clients, servers and listeners"},
	MemoryHeld:       {"memory_held", Gauge, "bytes that clients and servers make the worker hold"},
	TurnMicros:       {"turn_us", Counter, "time that turns of the loop have taken"},
}

// WorkerStatistics are those of them that the statistics show.
var WorkerStatistics = WorkerCounters[:MemoryHeld]

// Counters of a pool.
const (
	ClientEOF = iota
	ClientErr
	ClientConnections
	ServerEjects
	ForwardError
	Fragments
	BlockedClients
	Subscribers
	MovedReplies
	AskReplies
	UnknownRedirects
	TryAgainReplies
	ClusterDownReplies

	// The statistics do not show what follows: it is for metrics.
	RefusedCommands
	SlowRequests
	RequestMicros
	ClientHandshakes
	ClientPlaintext
	ClientUnsupported
	ClientCertificate
	ClientRefusesTLS
	ClientHandshakeLate
	ClientHandshakeFailed
	FailedLogins
	ClientsTLS
	FirstCommandFamily                                           // and one for each further CommandFamily
	FirstErrorWord     = FirstCommandFamily + NumCommandFamilies // and one for each further word of ErrorWords
	FirstClosing       = FirstErrorWord + NumErrorWords          // and one for each further Closing
	numPoolCounters    = FirstClosing + NumClosings
)

// PoolCounters describes the counters of a pool, by index, in the order of the statistics port.
var PoolCounters = [numPoolCounters]CounterInfo{
	ClientEOF:          {"client_eof", Counter, "eof on client connections"},
	ClientErr:          {"client_err", Counter, "errors on client connections, and requests refused"},
	ClientConnections:  {"client_connections", Gauge, "active client connections"},
	ServerEjects:       {"server_ejects", Counter, "times a server was ejected"},
	ForwardError:       {"forward_error", Counter, "times a request could not be forwarded"},
	Fragments:          {"fragments", Counter, "fragments made of multi-key requests"},
	BlockedClients:     {"blocked_clients", Gauge, "clients whose request waits in a server: BLPOP and its kin"},
	Subscribers:        {"subscribers", Gauge, "clients that have subscribed to channels or patterns, or had"},
	MovedReplies:       {"moved_replies", Counter, "times a node of a cluster has said that a slot is at another one (MOVED)"},
	AskReplies:         {"ask_replies", Counter, "times a node of a cluster has said that a key may be at another one, to which its slot moves (ASK)"},
	UnknownRedirects:   {"unknown_redirects", Counter, "of moved_replies and ask_replies, those to addresses that the map of the cluster does not name: they are not followed"},
	TryAgainReplies:    {"tryagain_replies", Counter, "times a node of a cluster has had only some keys of a request, as their slot moves (TRYAGAIN): it was asked again"},
	ClusterDownReplies: {"clusterdown_replies", Counter, "times a node of a cluster has said that it serves no keys for now (CLUSTERDOWN): it was asked again"},
	RefusedCommands:    {"refused_commands", Counter, "requests that were refused: unknown commands, a wrong number of arguments, and what the proxy or the pool does not allow"},
	SlowRequests:       {"slow_requests", Counter, "requests whose clients have waited for the reply for slowlog_us or longer"},
	RequestMicros:      {"request_us", Counter, "time that clients have waited for replies, from when a request was received to when its reply was at their turn, but for requests that may wait in the server"},

	ClientHandshakes:      {"client_tls_handshakes", Counter, "TLS handshakes with clients that have succeeded"},
	ClientPlaintext:       {"client_tls_plaintext", Counter, "clients that spoke no TLS where it is spoken"},
	ClientUnsupported:     {"client_tls_unsupported", Counter, "TLS handshakes with clients that know no version or cipher that is good enough"},
	ClientCertificate:     {"client_tls_certificate", Counter, "TLS handshakes with clients that have shown no certificate, or not a good one"},
	ClientRefusesTLS:      {"client_tls_refused", Counter, "TLS handshakes that clients have broken off, as a rule since they do not believe the certificate"},
	ClientHandshakeLate:   {"client_tls_timeout", Counter, "TLS handshakes with clients that took longer than tls_handshake_timeout, or a quarter of it while others waited for a place"},
	ClientHandshakeFailed: {"client_tls_failed", Counter, "TLS handshakes with clients that have failed for another reason"},

	ClientsTLS:   {"client_tls_connections", Gauge, "of client_connections, those at addresses with TLS: who is to shake hands, too"},
	FailedLogins: {"failed_logins", Counter, "wrong passwords, and users that do not exist; also those that were not looked at, since too many wrong ones had come from there. They are among refused_commands, too"},
}

// PoolStatistics are those of them that the statistics show.
var PoolStatistics = PoolCounters[:RefusedCommands]

// Counters of a server.
const (
	ServerEOF = iota
	ServerErr
	ServerTimedout
	ServerConnections
	ServerEjectedAt
	Requests
	RequestBytes
	Responses
	ResponseBytes
	InQueue
	InQueueBytes
	OutQueue
	OutQueueBytes
	DedicatedConnections
	BlockingResponses
	Held
	HeldBytes
	HeldTotal
	HeldExpired
	ReplicaReads
	ReplicaFallbacks
	WaitMicros
	TLSHandshakes
	TLSUnverified
	TLSRefused
	TLSFailed
	numServerCounters
)

// ServerCounters describes the counters of a server, by index, in the order of the statistics port.
var ServerCounters = [numServerCounters]CounterInfo{
	ServerEOF:         {"server_eof", Counter, "eof on server connections"},
	ServerErr:         {"server_err", Counter, "errors on server connections"},
	ServerTimedout:    {"server_timedout", Counter, "requests answered with a timeout, and connections given up that no request waited for"},
	ServerConnections: {"server_connections", Gauge, "active server connections"},
	ServerEjectedAt:   {"server_ejected_at", Timestamp, "when the server was ejected, in µs since the epoch"},
	Requests:          {"requests", Counter, "requests forwarded"},
	RequestBytes:      {"request_bytes", Counter, "bytes of the requests forwarded"},
	Responses:         {"responses", Counter, "responses received"},
	ResponseBytes:     {"response_bytes", Counter, "bytes of the responses received"},
	InQueue:           {"in_queue", Gauge, "requests that wait to be sent"},
	InQueueBytes:      {"in_queue_bytes", Gauge, "bytes of the requests that wait to be sent"},
	OutQueue:          {"out_queue", Gauge, "requests sent that wait for their response"},
	OutQueueBytes:     {"out_queue_bytes", Gauge, "bytes of the requests sent that wait for their response"},

	DedicatedConnections: {"dedicated_connections", Gauge, "server connections that belong to one client each"},
	BlockingResponses:    {"blocking_responses", Counter, "responses to requests that may wait in the server: no latency is counted for them"},

	Held:        {"held", Gauge, "requests that wait for the server, which is down, by failover_wait"},
	HeldBytes:   {"held_bytes", Gauge, "bytes of the requests that wait for the server, which is down"},
	HeldTotal:   {"held_total", Counter, "times a request has begun to wait for the server, which was down"},
	HeldExpired: {"held_expired", Counter, "requests for which the server was not back within failover_wait: they got an error"},

	ReplicaReads:     {"replica_reads", Counter, "reads sent to replicas of the server, which are among its requests"},
	ReplicaFallbacks: {"replica_fallbacks", Counter, "reads that replicas were to answer, and that were sent to the master in their place"},

	WaitMicros: {"wait_us", Counter, "time that requests have waited to be sent, but for what they were held while the server was down"},

	TLSHandshakes: {"tls_handshakes", Counter, "TLS handshakes with the server that have succeeded"},
	TLSUnverified: {"tls_unverified", Counter, "TLS handshakes that were broken off since the server's certificate cannot be verified"},
	TLSRefused:    {"tls_refused", Counter, "TLS connections that the server has refused, for the certificate that it was shown or was not"},
	TLSFailed:     {"tls_failed", Counter, "TLS handshakes with the server that have failed for another reason"},
}
