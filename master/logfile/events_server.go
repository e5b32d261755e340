// Events of the master: where servers are, and how they do.

package logfile

import "github.com/pinion-proxy/pinion/worker/logevent"

var (
	DiscoveryProblem = master.AddRepeating(logevent.Warn, "discovery_problem", "%s", "cause pool")
	DiscoveryNotice  = master.AddRepeating(logevent.Notice, "discovery_notice", "%s", "cause pool")
	ReplicaFit       = master.AddRepeating(logevent.Notice, "replica_fit", "pool %q: replica %s is fit: it is read from", "pool address")
	ReplicaUnfit     = master.AddRepeating(logevent.Warn, "replica_unfit", "pool %q: replica %s is not read from: %v", "pool address cause")
	FailoverAsked    = master.AddRepeating(logevent.Notice, "failover_asked", "%v was asked for through the admin socket", "-")
	FailoverFailed   = master.AddRepeating(logevent.Error, "failover_failed", "%v: %s", "- cause")
	ServerSlow       = master.AddRepeating(logevent.Warn, "server_slow", "pool %q: server %q ejected for %v: it takes %v where the others take %v (medians)", "pool server for_seconds median_seconds others_seconds")
)
