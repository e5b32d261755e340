// Package core is what a worker does: one event loop on one CPU that parses, routes and forwards.
//
//	             ┌── client ──┐ out queue: requests in the order the client sent them
//	bytes ──recv─┤ codec      ├─► request ─┬─► request ─┬─► request ──► …      each leaves when it is
//	             └────────────┘            │            │                      done and at the head
//	                  route: table, key, placement      │
//	             ┌── conn ────┐            ▼            ▼
//	bytes ◄─send─┤ of endpoint│ in queue: requests in the order they went to this server connection
//	             └────────────┘ its next reply belongs to the head
//
// Readiness only fills buffers and marks connections dirty; every write happens once, at the end of the turn. A request
// is in at most two queues: its client's until it is answered, its connection's until the reply came. It is free when it
// is in neither. A client that hangs up, or a request that times out, only detaches itself: the late reply is dropped. Only a
// request that times out before any of it is written leaves both: conn_lateness.go, and of one that goes out as several
// all parts do: fanout_admit.go. What waits for a server that is down stays in both: conn_hold.go.
//
// What takes long takes several turns: a long request is divided in slices, and long replies to its fragments are merged in
// slices (key_walk.go, fanout_merge.go). Large values go from the input to the output in the buffer that they came in.
//
// A client has a life (client.go), and a session, which goes with it wherever it is served (session.go). A pool places keys on
// servers (placement.go); a server is what the ring knows, and where it is reached is its endpoint (server.go, endpoint.go). Of a Redis
// Cluster a key has a slot, which nodes pass on to each other while requests for it are under way: cluster.go and cluster_*.go.
//
// Which file a Redis request goes to, by its row in the command table: route_redis.go (one server, or a part to each), route_all.go
// (all servers), route_local.go (no server: a table of functions, in local_*.go and in the files of the session's features).
//
// When another generation takes over, a client is frozen (not read any more), gets the replies that it is owed, and moves to a
// peer, a worker of that generation: move_*.go, by the rules of package handoff. Moving stays in this package, since it is
// half of what a client, a listener and the end of a worker do: move.go is its entry, move_client.go what it does to a client,
// and move_record.go the client's record, as the other worker gets it.
//
// The files stay in one package, and many call each other in both directions, for three reasons. A request comes down by a route
// and its reply goes up to the client by another, and what ends one may wake the other (backpressure, an unpaused client). A
// client, a connection and the loop each have one life, whose transitions are in client.go, conn.go and loop.go, and every feature
// of a session has its part in birth, end and move. And whatever is to be written or processed joins the lists of agenda.go, which
// come back at the end of the turn. What needs none of the three is in a package below.
//
// Those packages need no loop: stream (bytes in and out of a descriptor), memory (buffers that outlive a turn), timer
// (deadlines), resolve (host names). They know nothing of clients and servers: which client is closed when memory is short,
// how much a turn processes and when a name is looked up is decided here.
//
// Everything here belongs to the one goroutine of loop.run; others look up names (package resolve) and collect garbage
// (package memory). Bytes that a stream has received are valid until any stream receives again; those that must stay are copied.
package core
