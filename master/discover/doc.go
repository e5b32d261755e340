// Package discover finds out where the masters of a pool are, which sentinels know, and notices when that changes.
//
//	sentinel ──subscribed: +switch-master──┐                         ┌──► look: is it a master? (ROLE)
//	sentinel ◄─asked each second,──────────┼──► follower ── judges ──┤
//	sentinel   and when anyone has news ───┘      one for a pool     └──► tell: servers are there now
//
// Follow is the entry. Each sentinel has a goroutine of its own, since it may hang (sentinel.go); so has each look at a server
// that may be a new master. What they find out goes to the goroutine of the pool (run.go), which owns the follower (follower.go):
// whom to ask, what to tell. The follower has one judge for each master (judge.go), which decides by what the sentinels say
// where that is. Follower and judge know no clock and no network, so testdata shows them at work. A worker that meets a server
// which does no master's work has it doubted: then all are asked anew, and the server itself, and what servers say may come before
// what sentinels do (heir.go). Replicas that sentinels know are told, too (replicas.go). An operator may have a sentinel begin a failover (failover.go), and sees what each says (report.go).
package discover
