// Events of the master: workers, and what becomes of them.

package logfile

import "github.com/pinion-proxy/pinion/worker/logevent"

var (
	AffinityUnknown    = master.Add(logevent.Warn, "affinity_unknown", "workers run unpinned: reading the CPU affinity: %v", "cause")
	WorkerNotStarted   = master.AddRepeating(logevent.Error, "worker_not_started", "worker %d is not started, it would not hear those who connect to %s; trying again in %s", "worker address retry_seconds")
	WorkerStarting     = master.Add(logevent.Info, "worker_starting", "worker %d (pid %d, %s) is starting", "worker pid -")
	WorkerUnpinned     = master.Add(logevent.Warn, "worker_unpinned", "worker %d runs unpinned: pinning to cpu %d: %v", "worker cpu cause")
	WorkerStartFailed  = master.AddRepeating(logevent.Error, "worker_start_failed", "starting worker %d: %v; trying again in %s", "worker cause retry_seconds")
	WorkerEmpty        = master.Add(logevent.Debug, "worker_empty", "worker %d has no clients left", "worker")
	WorkerMessageBad   = master.Add(logevent.Error, "worker_message_bad", "worker %d (pid %d): %v", "worker pid cause")
	WorkerReady        = master.Add(logevent.Info, "worker_ready", "worker %d (pid %d, %s) is ready", "worker pid -")
	PoolServed         = master.Add(logevent.Notice, "pool_served", "pool %q is served on %s, workers: %d", "pool address workers")
	WorkerMoved        = master.Add(logevent.Debug, "worker_moved", "worker %d (pid %d): %s moved, %s, %d to be closed, longest pause %s%s", "worker pid - - closed longest_pause_seconds - moved stragglers")
	WorkerUntold       = master.AddRepeating(logevent.Error, "worker_untold", "telling worker %d (pid %d): %v; raise LimitNOFILE= (ulimit -n)", "worker pid cause")
	WorkerDeaf         = master.AddRepeating(logevent.Warn, "worker_deaf", "worker %d (pid %d) does not listen: %s", "worker pid cause")
	WorkerTurns        = master.Add(logevent.Notice, "worker_turns", "worker %d (pid %d) turns again", "worker pid")
	WorkerHangs        = master.Add(logevent.Error, "worker_hangs", "worker %d (pid %d) hangs: it has made no turn for %s", "worker pid after_seconds")
	WorkerStarves      = master.Add(logevent.Error, "worker_starves", "worker %d (pid %d) gets no CPU: it has made no turn for %s; see what else runs on its CPU, or what limits it (top, systemd-cgtop)", "worker pid after_seconds")
	WorkerToldToEnd    = master.Add(logevent.Notice, "worker_told_to_end", "a signal has told worker %d (pid %d) to end", "worker pid")
	NoWorkerAccepts    = master.Add(logevent.Notice, "no_worker_accepts", "no worker is left that accepts: making others", "")
	WorkerKilled       = master.Add(logevent.Warn, "worker_killed", "killing worker %d (pid %d): %s", "worker pid cause")
	WorkerEndedEarly   = master.Add(logevent.Notice, "worker_ended_early", "worker %d (pid %d) was ended by a signal before it could ignore it: %s after %s; starting the next one", "worker pid cause lived_seconds")
	WorkerEnded        = master.Add(logevent.Info, "worker_ended", "worker %d (pid %d) ended: %s after %s%s%s", "worker pid cause lived_seconds - -")
	WorkerDied         = master.Add(logevent.Error, "worker_died", "worker %d (pid %d, %s) died: %s after %s%s%s%s", "worker pid - cause lived_seconds - - - pause_seconds")
	WorkerEndedByOrder = master.Add(logevent.Notice, "worker_ended_by_order", "worker %d (pid %d), which a signal has told to end, has ended: %s after %s%s; starting the next one", "worker pid cause lived_seconds -")
	WorkerCovers       = master.Add(logevent.Info, "worker_covers", "worker %d accepts for worker %d", "worker for_worker")
	TopologyUntold     = master.AddRepeating(logevent.Error, "topology_untold", "telling worker %d (pid %d) where servers are: %v", "worker pid cause")
	WorkerWrote        = master.Add(logevent.Error, "worker_wrote", "%s", "cause")
	WorkersPlanned     = master.Add(logevent.Notice, "workers_planned", "%s: %s", "- cause workers")
)
