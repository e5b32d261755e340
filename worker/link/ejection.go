// Why each server is ejected, since when, and how often it was probed in vain, for all workers and for the status: what its liveness
// word has no room for.

package link

import (
	"fmt"
	"hash/fnv"
	"time"
)

// Trouble is why a server is ejected or cannot be used, as the last request or probe has found it.
type Trouble uint8

// The numbers are in memory that other builds read: each stays what it is.
const (
	TroubleUnknown    Trouble = 0
	TroubleRefused    Trouble = 1 // nobody listens
	TroubleSilent     Trouble = 2 // no answer within the timeout
	TroubleClosed     Trouble = 3 // it closes connections
	TroubleLoading    Trouble = 4
	TroubleMasterDown Trouble = 5 // it is a replica without its master that serves no stale data
	TroubleReadOnly   Trouble = 6 // it is a replica
	TroubleRefuses    Trouble = 7 // it refuses, in other words
	TroubleUnreached  Trouble = 8 // it cannot be reached otherwise
	TroubleSlow       Trouble = 9 // it takes much longer than the other servers of its pool

	TroubleGarbage       Trouble = 10 // it sends what is no reply
	TroubleProtocol      Trouble = 11 // it speaks the other protocol: memcached's in a pool of Redis, or the other way round
	TroubleTLS           Trouble = 12 // it speaks TLS
	TroublePassword      Trouble = 13 // it refuses the password, or the database
	TroubleWantsPassword Trouble = 14 // and the pool has none
	TroubleName          Trouble = 15 // its name is not found
	TroubleHere          Trouble = 16 // this host has no descriptor, port or memory left for a connection
	TroubleFull          Trouble = 17 // OOM: it has no memory for more
	TroubleUnsaved       Trouble = 18 // MISCONF: it cannot save to its disk
	TroubleBusy          Trouble = 19 // BUSY: a script keeps it from answering
	TroubleClients       Trouble = 20 // it has as many clients as it may
	TroubleUnheard       Trouble = 21 // it closes connections, and has never sent anything: perhaps it speaks TLS only

	TroubleCertificate Trouble = 22 // its certificate cannot be verified
	TroubleRefusesTLS  Trouble = 23 // it refuses TLS, or the certificate that it is shown or lacks
	TroubleNoTLS       Trouble = 24 // it speaks no TLS
	TroubleHandshake   Trouble = 25 // the handshake fails for another reason
	TroubleUngreeted   Trouble = 26 // it does not answer the handshake, and has never said anything: perhaps it waits for more of what it takes for plaintext
	TroubleUnwelcome   Trouble = 27 // it ends connections after the handshake: perhaps it does not like the certificate that it is shown or lacks

	TroubleAuthority       Trouble = 28 // of TroubleCertificate: no authority that counts has signed its certificate
	TroubleCertificateTime Trouble = 29 // likewise: its certificate has ended, or is not good yet
	TroubleCertificateName Trouble = 30 // likewise: its certificate bears another name
)

var troubles = [...]string{
	TroubleUnknown: "unknown", TroubleRefused: "connection refused", TroubleSilent: "no answer in time", TroubleClosed: "closes connections",
	TroubleLoading: "loading its data", TroubleMasterDown: "MASTERDOWN", TroubleReadOnly: "READONLY", TroubleRefuses: "refuses what it is asked",
	TroubleUnreached: "cannot be reached", TroubleSlow: "slower than the others",
	TroubleGarbage: "sends what is no reply", TroubleProtocol: "speaks another protocol", TroubleTLS: "speaks TLS",
	TroublePassword: "refuses the password or the database", TroubleWantsPassword: "wants a password", TroubleName: "name not found",
	TroubleHere: "no descriptor, port or memory left here", TroubleFull: "its memory is full (OOM)", TroubleUnsaved: "cannot save to its disk (MISCONF)",
	TroubleBusy: "busy with a script (BUSY)", TroubleClients: "has as many clients as it may (maxclients)",
	TroubleUnheard:     "closes connections, and has never answered: TLS only?",
	TroubleCertificate: "its certificate cannot be verified", TroubleRefusesTLS: "refuses TLS, or our certificate", TroubleNoTLS: "speaks no TLS",
	TroubleHandshake: "TLS handshake fails", TroubleUngreeted: "does not answer a TLS handshake, and never has: plaintext only?",
	TroubleUnwelcome: "ends connections after the TLS handshake: our certificate?",
	TroubleAuthority: "its certificate is of an authority that is unknown here", TroubleCertificateTime: "its certificate has ended, or is not valid yet",
	TroubleCertificateName: "its certificate bears another name",
}

// String returns a few words; those of TroubleUnknown for numbers of later builds.
func (t Trouble) String() string {
	if int(t) >= len(troubles) {
		t = TroubleUnknown
	}
	return troubles[t]
}

// Ejection is what the word says: in the upper 8 bits why, in the next 8 how many probes have failed, in the lower 48 the ms since the
// epoch since when. 0: the server was not ejected, or nothing is known of it. It means nothing while the server is live.
type Ejection uint64

const (
	ejectionWhyShift    = 56
	ejectionProbesShift = 48
	ejectionMostProbes  = 255
	ejectionSinceMask   = 1<<ejectionProbesShift - 1
)

// NewEjection returns the word of a server that is ejected since so many ms since the epoch.
func NewEjection(why Trouble, since int64) Ejection {
	return Ejection(why)<<ejectionWhyShift | Ejection(max(since, 0))&ejectionSinceMask
}

// Why returns why the server is ejected.
func (e Ejection) Why() Trouble { return Trouble(e >> ejectionWhyShift) }

// Probes returns how many probes in a row have failed, 255 at most. Those that have found the server loading are not among them.
func (e Ejection) Probes() int { return int(e>>ejectionProbesShift) & ejectionMostProbes }

// Since returns since when the server is ejected, in ms since the epoch; 0: not known.
func (e Ejection) Since() int64 { return int64(e & ejectionSinceMask) }

// Rejected returns the word after a probe that has found out why. A server that loads its data lives, and will be done.
func (e Ejection) Rejected(why Trouble) Ejection {
	probes := e.Probes()
	if why != TroubleLoading {
		probes = min(probes+1, ejectionMostProbes)
	}
	return NewEjection(why, e.Since()) | Ejection(probes)<<ejectionProbesShift
}

// Again returns the word of a server that is ejected once more, although its last probe succeeded. If that is not long ago the probe
// has not shown what is wrong with it, and counts as failed, so that the pauses grow on.
func (e Ejection) Again(why Trouble, since int64, recent time.Duration) Ejection {
	next := NewEjection(why, since)
	if e == 0 || since-e.Since() > recent.Milliseconds() {
		return next
	}
	return next | Ejection(min(e.Probes()+1, ejectionMostProbes))<<ejectionProbesShift
}

// relapseAfter is for how many pauses between probes, and a minute, it is not forgotten that a server was ejected: one that is ejected again by
// then for what no probe shows is left alone for longer.
const relapseAfter = 4

// EjectedAgain returns the word of a server that is ejected at since, in ms since the epoch, for a trouble that probes do not show: it is slow, or
// takes no writes. before is its word so far.
func (p *Pool) EjectedAgain(before Ejection, why Trouble, since int64) Ejection {
	return before.Again(why, since, relapseAfter*p.LongestRetryPause(before.Probes())+time.Minute)
}

// ProbePause is the least time between two probes of a server: with server_retry_timeout: 0 it is asked at once, but not
// all the time.
const ProbePause = 100 * time.Millisecond

// LongestRetryPause returns for how long at most a server is left alone that so many probes in a row have found not to work.
func (p *Pool) LongestRetryPause(probes int) time.Duration {
	pause := max(p.ServerRetryTimeout, ProbePause)
	if p.ServerRetryMax <= pause {
		return pause
	}
	for ; probes > 0 && pause < p.ServerRetryMax; probes-- {
		pause *= 2
	}
	return min(pause, p.ServerRetryMax)
}

// RetryPause returns for how long it is left alone. A pause that grows is shorter by up to a quarter, as the name and the time, in ns,
// have it, so that not all Pinions ask at once.
func (p *Pool) RetryPause(server string, probes int, now int64) time.Duration {
	pause := p.LongestRetryPause(probes)
	if p.ServerRetryMax <= max(p.ServerRetryTimeout, ProbePause) {
		return pause
	}
	h := fnv.New32a()
	fmt.Fprint(h, server, now)
	return pause - pause/4*time.Duration(h.Sum32()>>16)/(1<<16)
}

// layEjections places the words: those of all workers, which write them seldom.
func (l *layout) layEjections() {
	var servers []int
	words := 0
	for _, n := range l.Servers {
		servers = append(servers, words)
		words += n * 4
	}
	l.add(block{Of: ofServer, Words: states("ejection", "probed_at", "started_at", "slow_limit"), First: l.end, Pools: servers, PerServer: 4})
	l.end += roundUp(words)
}

// Ejection is the word of a server. Whoever ejects or probes it writes the word, with atomic stores.
func (s *Shared) Ejection(pool, server int) *uint64 { return s.own(s.ejection, 0, pool, server) }

// ProbedAt is when any worker last probed a server that was live, in ns of CLOCK_MONOTONIC; 0: never. They write it by compare-and-swap.
func (s *Shared) ProbedAt(pool, server int) *uint64 { return s.own(s.probedAt, 0, pool, server) }

// StartedAt is since when a live server is back, in ms of CLOCK_MONOTONIC, if it starts slowly; 0: it has been there all the time. Who
// readmits a server writes it before. nil: the memory, of another build, has no such word, and no server starts slowly.
func (s *Shared) StartedAt(pool, server int) *uint64 { return s.at(s.startedAt, 0, pool, server) }

// SlowLimit is, of a server that is ejected since it was slow, how many ns it may take to answer a probe, to be readmitted; 0: that is
// no matter. Who ejects the server writes it.
func (s *Shared) SlowLimit(pool, server int) *uint64 { return s.own(s.slowLimit, 0, pool, server) }
