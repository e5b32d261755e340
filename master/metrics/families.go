// The tables of all metrics. What is added here, or to the counters of worker/link, is documented and scraped.

package metrics

import (
	"runtime"
	"strconv"
	"time"

	"github.com/pinion-proxy/pinion/shard"
	"github.com/pinion-proxy/pinion/worker/link"
)

// family is all samples of one name.
type family struct {
	name    string
	kind    kind
	labels  string // names, with spaces between
	help    string
	samples func(s *scrape, add func(value float64, labels ...string)) // labels are values, in the order of the names
}

var ofService = []family{
	{prefix + "build_info", gauge, "version goversion", "always 1",
		func(s *scrape, add func(float64, ...string)) { add(1, s.view.Build, runtime.Version()) }},
	{prefix + "start_time_seconds", gauge, "", "when the service was started, in s since the epoch; reloads and upgrades do not change it",
		func(s *scrape, add func(float64, ...string)) { add(seconds(s.view.StartedAt)) }},
	{prefix + "ready", gauge, "", "1: clients are taken; 0: Pinion has been asked to end, or no worker serves",
		func(s *scrape, add func(float64, ...string)) { add(truth(s.view.Ready)) }},
	{prefix + "ending", gauge, "", "1: Pinion has been asked to end, and its workers accept nobody any more, or soon will not; 0: it goes on",
		func(s *scrape, add func(float64, ...string)) { add(truth(s.view.Ending)) }},
	{prefix + "drain_start_time_seconds", gauge, "", "when Pinion takes clients no more, as it was asked to, in s since the epoch; 0: it was not",
		func(s *scrape, add func(float64, ...string)) { add(secondsOrNone(s.view.DrainAt)) }},
	{prefix + "drain_end_time_seconds", gauge, "", "when the last clients are cut off then, in s since the epoch; 0: Pinion was not asked to end, or they have as long as they like",
		func(s *scrape, add func(float64, ...string)) { add(secondsOrNone(s.view.DrainUntil)) }},
	{prefix + "config_info", gauge, "hash", "always 1; hosts with the same hash have the same configuration, but for passwords and zone",
		func(s *scrape, add func(float64, ...string)) {
			if s.view.ConfigHash != "" {
				add(1, s.view.ConfigHash)
			}
		}},
	{prefix + "certificate_expiry_timestamp_seconds", gauge, "pool key file", "when the certificate ends that a key of the configuration names, in s since the epoch: of a chain the first " +
		"that does, of several authorities the last",
		func(s *scrape, add func(float64, ...string)) {
			for _, c := range s.view.Certificates {
				add(seconds(c.Ends), c.Pool, c.Key, c.File)
			}
		}},
	{prefix + "generation", gauge, "", "number of the generation that serves: each reload and each upgrade makes the next",
		func(s *scrape, add func(float64, ...string)) { add(float64(s.view.Generation)) }},
	{prefix + "handoffs_total", counter, "kind outcome", "reloads and upgrades (kind) that are done or have failed (outcome)",
		func(s *scrape, add func(float64, ...string)) {
			add(s.tally(ReloadsDone), "reload", "done")
			add(s.tally(ReloadsFailed), "reload", "failed")
			add(s.tally(UpgradesDone), "upgrade", "done")
			add(s.tally(UpgradesFailed), "upgrade", "failed")
		}},
	{prefix + "handoff_clients_total", counter, "fate", "clients that reloads and upgrades have moved, left in old workers as stragglers, closed because " +
		"the new configuration has no place for them, or lost with a worker that died meanwhile",
		func(s *scrape, add func(float64, ...string)) {
			add(s.tally(Moved), "moved")
			add(s.tally(Stragglers), "straggler")
			add(s.tally(Closed), "closed")
			add(s.tally(Lost), "lost")
		}},
	{prefix + "handoff_bytes_total", counter, "", "bytes of state that have moved with clients",
		func(s *scrape, add func(float64, ...string)) { add(s.tally(MovedBytes)) }},
	{prefix + "last_handoff_timestamp_seconds", gauge, "", "when the last reload or upgrade began, in s since the epoch; none: there was none",
		func(s *scrape, add func(float64, ...string)) {
			if h := s.view.Last; h != nil {
				add(seconds(h.At))
			}
		}},
	{prefix + "last_handoff_duration_seconds", gauge, "", "how long it took",
		func(s *scrape, add func(float64, ...string)) {
			if h := s.view.Last; h != nil {
				add(h.Took.Seconds())
			}
		}},
	{prefix + "last_handoff_longest_pause_seconds", gauge, "", "the longest pause of a client that it has moved",
		func(s *scrape, add func(float64, ...string)) {
			if h := s.view.Last; h != nil {
				add(h.LongestPause.Seconds())
			}
		}},
	{prefix + "last_handoff_done", gauge, "", "1: it is done; 0: it has failed, or is under way",
		func(s *scrape, add func(float64, ...string)) {
			if h := s.view.Last; h != nil {
				add(truth(h.Done))
			}
		}},
	{prefix + "worker_deaths_total", counter, "", "workers that have ended unasked",
		func(s *scrape, add func(float64, ...string)) { add(s.tally(Deaths)) }},
	{prefix + "retired_workers", gauge, "", "workers of earlier generations, which still have clients",
		func(s *scrape, add func(float64, ...string)) { add(float64(s.view.Retired)) }},
	{prefix + "worker_memory_limit_bytes", gauge, "", "what clients and servers may make each worker hold, see memory_limit; none: there is no limit",
		func(s *scrape, add func(float64, ...string)) {
			if s.view.MemoryLimit > 0 {
				add(float64(s.view.MemoryLimit))
			}
		}},
	{prefix + "process_max_descriptors", gauge, "", "descriptors that each process may have; none: that is not known",
		func(s *scrape, add func(float64, ...string)) {
			if s.view.Descriptors > 0 {
				add(float64(s.view.Descriptors))
			}
		}},
}

var ofWorkers = []family{
	{prefix + "worker_up", gauge, "worker", "1: the worker of the slot accepts clients",
		func(s *scrape, add func(float64, ...string)) {
			for i := range s.view.Workers {
				add(truth(s.view.Workers[i].Serves), s.slot(i))
			}
		}},
	{prefix + "worker_start_time_seconds", gauge, "worker", "when its process was started, in s since the epoch",
		func(s *scrape, add func(float64, ...string)) {
			for i := range s.view.Workers {
				if w := &s.view.Workers[i]; w.PID != 0 {
					add(seconds(w.BornAt), s.slot(i))
				}
			}
		}},
	{prefix + "worker_client_connections", gauge, "worker", "clients that it has now",
		func(s *scrape, add func(float64, ...string)) {
			for i := range s.view.Workers {
				add(float64(s.clients[i]), s.slot(i))
			}
		}},
	{prefix + "worker_connections", gauge, "worker", "connections that it has open now: clients, servers and listeners",
		func(s *scrape, add func(float64, ...string)) {
			for i := range s.view.Workers {
				add(float64(s.connections[i]), s.slot(i))
			}
		}},
	{prefix + "worker_memory_held_bytes", gauge, "worker", "what clients and servers make it hold, of worker_memory_limit_bytes",
		func(s *scrape, add func(float64, ...string)) {
			for i := range s.view.Workers {
				add(float64(s.held[i]), s.slot(i))
			}
		}},
}

const (
	queueLabels = "pool worker"
	whoseQueue  = "; worker is a slot, or all, where they share a socket. Of unix sockets it is not known"
)

var ofQueues = []family{
	{prefix + "accept_queue_connections", gauge, queueLabels, "connections that wait in the kernel for the worker to accept them" + whoseQueue,
		func(s *scrape, add func(float64, ...string)) {
			for i := range s.view.Queues {
				q := &s.view.Queues[i]
				add(float64(q.Waiting), q.Pool, q.worker())
			}
		}},
	{prefix + "accept_queue_limit_connections", gauge, queueLabels, "how many may wait, see backlog; one more is dropped, and tries again after a second, then after longer" + whoseQueue,
		func(s *scrape, add func(float64, ...string)) {
			for i := range s.view.Queues {
				q := &s.view.Queues[i]
				add(float64(q.Limit), q.Pool, q.worker())
			}
		}},
	{prefix + "accept_queue_drops_total", counter, queueLabels, "attempts to connect that the kernel has dropped, since the queue was full or memory short; a client that tries again counts again. It is " +
		"that of the socket, which outlives reloads and upgrades, but no restart" + whoseQueue,
		func(s *scrape, add func(float64, ...string)) {
			for i := range s.view.Queues {
				q := &s.view.Queues[i]
				add(float64(q.Dropped), q.Pool, q.worker())
			}
		}},
}

func (q *AcceptQueue) worker() string {
	if q.Slot == EverySlot {
		return "all"
	}
	return strconv.Itoa(q.Slot)
}

var ofProcesses = []family{
	{prefix + "process_cpu_seconds_total", counter, "process", "CPU time of a process: of the worker of a slot, or of the master. It begins anew with each process, and so with each reload",
		func(s *scrape, add func(float64, ...string)) {
			for _, p := range s.processes {
				add(p.CPU.Seconds(), p.name)
			}
		}},
	{prefix + "process_resident_memory_bytes", gauge, "process", "memory of the machine that it has",
		func(s *scrape, add func(float64, ...string)) {
			for _, p := range s.processes {
				add(float64(p.ResidentBytes), p.name)
			}
		}},
	{prefix + "process_open_descriptors", gauge, "process", "descriptors that it has open; none: the kernel does not tell, being older than 6.2",
		func(s *scrape, add func(float64, ...string)) {
			for _, p := range s.processes {
				if p.Descriptors > 0 {
					add(float64(p.Descriptors), p.name)
				}
			}
		}},
}

// serverFamily is a family of which each server has at most one sample. Its labels are those of the server.
type serverFamily struct {
	name  string
	kind  kind
	help  string
	value func(s *server) (v float64, has bool)
}

// serverLabels are the labels of whatever is counted of a server.
const serverLabels = "pool server role"

var ofServers = []serverFamily{
	{serverPrefix + "live", gauge, "1: the server is live, as `pinion status` has it; 0: the last attempts to use it have failed, it is ejected, or it was and is probed",
		func(s *server) (float64, bool) { return truth(s.state == shard.Live && !s.down), true }},
	{serverPrefix + "certificate_expiry_timestamp_seconds", gauge, "when the certificate ends that the server has last shown, in s since the epoch; none: it has shown none, or the pool has no server_tls",
		func(s *server) (float64, bool) { return float64(s.certificateEnds), s.certificateEnds != 0 }},
	{serverPrefix + "keys_ratio", gauge, "part of its keys that the server has: 1, less while it is back and starts slowly, 0 while it is ejected and others have them",
		func(s *server) (float64, bool) { return s.share, s.place == notPlaced }},
	{serverPrefix + "slots", gauge, "slots of its cluster that a node has",
		func(s *server) (float64, bool) {
			if s.known == nil || s.place == notPlaced {
				return 0, false
			}
			return float64(s.known.SlotCount()), true
		}},
	{serverPrefix + "moved_timestamp_seconds", gauge, "when a server that fails over was last found elsewhere, or a node took its master's place, in s since the epoch; 0: never",
		func(s *server) (float64, bool) {
			return s.followed(func(t *link.ServerTopology) float64 { return float64(t.MovedAt) / 1000 })
		}},
	{serverPrefix + "switched_timestamp_seconds", gauge, "when the last worker had left the former one; 0: never, or not known",
		func(s *server) (float64, bool) {
			return s.followed(func(t *link.ServerTopology) float64 { return float64(t.SwitchedAt) / 1000 })
		}},
	{serverPrefix + "epoch", gauge, "of the failover that has led to its present address, as sentinels count them, or of the configuration of a node",
		func(s *server) (float64, bool) {
			return s.followed(func(t *link.ServerTopology) float64 { return float64(t.Epoch) })
		}},
	{serverPrefix + "stale", gauge, "1: no sentinel, or no node of the cluster, says any more where it is",
		func(s *server) (float64, bool) {
			return s.followed(func(t *link.ServerTopology) float64 { return truth(t.Stale) })
		}},
	{serverPrefix + "sentinels", gauge, "sentinels that are asked where it is, and count",
		func(s *server) (float64, bool) {
			if s.sentinels == nil {
				return 0, false
			}
			return float64(s.sentinels.Asked), true
		}},
	{serverPrefix + "sentinels_agreeing", gauge, "of these, those that name its address",
		func(s *server) (float64, bool) {
			if s.sentinels == nil {
				return 0, false
			}
			return float64(s.sentinels.Agree), true
		}},
}

// replicaFamily is a family of which each replica that may be read from has a sample.
type replicaFamily struct {
	name  string
	help  string
	value func(r *replica) (v float64, has bool)
}

// replicaLabels are the labels of whatever is known of a replica.
const replicaLabels = "pool server replica"

var ofReplicas = []replicaFamily{
	{prefix + "replica_fit", "1: the replica was fit to be read from when it was last looked at; only with read_from",
		func(r *replica) (float64, bool) { return truth(r.State == link.ReplicaFit), true }},
	{prefix + "replica_lag_seconds", "by how much its data was behind then; none: not known, as of one that does not answer",
		func(r *replica) (float64, bool) { return float64(r.Lag) / 1000, r.State.Measured() }},
}

const (
	commandsName   = prefix + "commands_total"
	commandsLabels = "pool family"
	commandsHelp   = "requests of clients, by families of commands: those of Redis are the headings of COMMANDS.md. Pipelined and local ones, and those in transactions, " +
		"count as others do; unknown ones, and those with a wrong number of arguments, are in refused_commands_total alone"

	errorsName   = prefix + "error_replies_total"
	errorsLabels = "pool error"
	errorsHelp   = "replies of servers that are errors, by their first word; other: by none of those that are told apart"

	closingsName   = prefix + "client_closings_total"
	closingsLabels = "pool cause"
	closingsHelp   = "connections of clients that have ended by themselves (hung_up, QUIT among it) or broke, and those that Pinion has ended: output_limit (client_output_hard, " +
		"subscriber_output_hard), memory (it was short), idle (client_idle_timeout), killed (by CLIENT KILL or an operator), request_too_large, no_request (what the client has sent), " +
		"turned_away (client_connections), drained (its worker has ended), removed (a new configuration has no place for it), server_lost (for SUBSCRIBE, MONITOR and CLIENT TRACKING), " +
		"refused (MULTI or SELECT was), reply_cut (a server failed in the middle of a reply). Each counts once, but for those of a worker that dies"

	turnsName   = prefix + "worker_turn_seconds"
	turnsLabels = "worker"
	turnsHelp   = "how long turns of the worker of a slot took: what becomes ready meanwhile waits for so long at most. It begins anew with each generation"

	infoName    = serverPrefix + "info"
	infoHelp    = "always 1: where a server is now"
	infoLabels  = serverLabels + " address"
	latencyName = serverPrefix + "response_seconds"
	latencyHelp = "how long servers took to reply, from when a request was queued for them; not of requests that may wait in the server. The sum is " +
		"of times that are a sixteenth off at most"
)

// latencyBounds are the upper bounds of the buckets in µs: powers of two, since the workers' own buckets end there.
var latencyBounds = [...]int64{64, 128, 256, 512, 1 << 10, 1 << 11, 1 << 12, 1 << 13, 1 << 14, 1 << 15, 1 << 16, 1 << 17, 1 << 18,
	1 << 20, 1 << 22}

// boundLabels are the le of latencyBounds, in s.
var boundLabels = func() (all [len(latencyBounds)]string) {
	for i, us := range latencyBounds {
		all[i] = `le="` + strconv.FormatFloat(float64(us)/1e6, 'g', -1, 64) + `"`
	}
	return all
}()

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// secondsOrNone is seconds of a time that may not be there: 0.
func secondsOrNone(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return seconds(t)
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// slot returns the label of a worker.
func (s *scrape) slot(i int) string { return strconv.Itoa(s.view.Workers[i].Slot) }

func (s *scrape) tally(key string) float64 { return float64(s.view.Tally[key]) }
