// May a user send a request.

package acl

import (
	"errors"

	"github.com/pinion-proxy/pinion/codec/resp"
)

// Reason says why a user may not send a request.
type Reason uint8

const (
	Allowed Reason = iota
	NoCommand
	NoKey     // Denial.Object
	NoChannel // Denial.Object
	NoSortBy  // keys that a pattern of SORT finds
	NoSortGet // likewise
	TooLong   // it has too many arguments to be looked at
)

// Denial is why a user may not send a request. The zero Denial says that he may.
type Denial struct {
	Reason Reason
	Object []byte // the key or the channel, in the request
}

// Request is a request that is looked at: a row of the table, whose arity is right, and its count arguments, of which args are the
// first: all, or those of a long request that Locate needs.
type Request struct {
	Command *resp.Command
	Bytes   []byte
	Args    []resp.Span
	Count   int
}

const (
	// maxLooked is how many arguments of a request are looked at.
	maxLooked = 64 << 10
	// maxCompared is how often a pattern is compared with a key or a channel of a request: that takes tens of milliseconds.
	maxCompared = 2 << 20
)

// mostLooked is maxLooked for a user with so many patterns.
func mostLooked(patterns int) int { return min(maxLooked, maxCompared/max(1, patterns)) }

// Check tells whether the user may send r. scratch is what an earlier Check has returned, or nil.
func (u *User) Check(r *Request, scratch []int32) (Denial, []int32) {
	c := r.Command
	switch {
	case !u.MayRun(c):
		return Denial{Reason: NoCommand}, scratch
	case c.Route == resp.Refuse: // whatever its arguments, whose number nobody has looked at
		return Denial{}, scratch
	case c.Channels() != resp.NoChannels:
		return u.checkChannels(r), scratch
	case u.allKeys || !c.HasKeys() && !c.ReachesUnnamedKeys():
		return Denial{}, scratch
	case c.ReachesUnnamedKeys() && !(u.readsAll && (u.writesAll || !c.Write)):
		return Denial{Reason: NoKey}, scratch
	case c.HasOneKey():
		return u.checkKey(r, r.Args[1].Of(r.Bytes), 1), scratch
	}
	return u.checkKeys(r, scratch)
}

// checkKey checks the key that is argument number i.
func (u *User) checkKey(r *Request, key []byte, i int) Denial {
	wanted := r.Command.KeyAccess(r.Bytes, r.Args, r.Count, i)
	for k := range u.keys {
		if p := &u.keys[k]; p.access&wanted == wanted && match(p.text, key) {
			return Denial{}
		}
	}
	return Denial{NoKey, key}
}

// checkKeys checks the keys of a request whose command or options tell where they are. What is wrong with the request otherwise is left to who
// answers it.
func (u *User) checkKeys(r *Request, scratch []int32) (Denial, []int32) {
	alone, row, err := r.Command.Locate(r.Bytes, r.Args, r.Count, scratch)
	if errors.Is(err, resp.ErrMoreArgs) {
		if r.Count > maxLooked {
			return Denial{Reason: TooLong}, alone
		}
		whole := *r
		_, whole.Args, _ = resp.ConsumeRequest(r.Bytes, nil)
		return u.checkKeys(&whole, alone)
	}
	if len(alone) > mostLooked(len(u.keys)) {
		return Denial{Reason: TooLong}, alone
	}
	for _, i := range alone {
		if d := u.checkKey(r, r.Args[i].Of(r.Bytes), int(i)); d.Reason != Allowed {
			return d, alone
		}
	}
	if d := u.checkRow(r, row); d.Reason != Allowed {
		return d, alone
	}
	if errors.Is(err, resp.ErrForeign) && !u.readsAll {
		return sortDenial(r), alone
	}
	return Denial{}, alone
}

// checkRow checks keys of which each is some arguments behind the one before, as many as there are.
func (u *User) checkRow(r *Request, row resp.Row) Denial {
	if row.Count > mostLooked(len(u.keys)) {
		return Denial{Reason: TooLong}
	}
	at := row.First
	for range row.Count {
		if at >= len(r.Args) {
			return u.checkFarRow(r, row, at)
		}
		if d := u.checkKey(r, r.Args[at].Of(r.Bytes), at); d.Reason != Allowed {
			return d
		}
		at += row.Step
	}
	return Denial{}
}

// checkFarRow checks the keys of a row from argument number first on, which is not in r.Args.
func (u *User) checkFarRow(r *Request, row resp.Row, first int) Denial {
	last := row.First + (row.Count-1)*row.Step
	arg, pos := resp.Span{}, r.Args[len(r.Args)-1].End()
	for at := len(r.Args); at <= last; at++ {
		arg, pos = resp.NextArg(r.Bytes, pos)
		if at < first || (at-first)%row.Step != 0 {
			continue
		}
		if d := u.checkKey(r, arg.Of(r.Bytes), at); d.Reason != Allowed {
			return d
		}
	}
	return Denial{}
}

// sortDenial tells which option of a SORT finds keys by a pattern. Other commands that may touch keys which they do not name are
// scripts: what those do inside nobody sees before they do it.
func sortDenial(r *Request) Denial {
	if name := r.Command.Name; name != "sort" && name != "sort_ro" {
		return Denial{}
	}
	if r.Command.SortsByPattern(r.Bytes, r.Args) {
		return Denial{Reason: NoSortBy}
	}
	return Denial{Reason: NoSortGet}
}

// checkChannels checks the channels of a request, or its patterns of channels.
func (u *User) checkChannels(r *Request) Denial {
	if u.allChannels {
		return Denial{}
	}
	last := r.Command.ChannelArgs(r.Count)
	if last > mostLooked(len(u.channels)) {
		return Denial{Reason: TooLong}
	}
	pos := 0
	for i := 1; i <= last; i++ {
		var channel resp.Span
		if i < len(r.Args) {
			channel, pos = r.Args[i], r.Args[i].End()
		} else {
			channel, pos = resp.NextArg(r.Bytes, pos)
		}
		if name := channel.Of(r.Bytes); !u.MayListen(name, r.Command.Channels() == resp.PatternChannels) {
			return Denial{NoChannel, name}
		}
	}
	return Denial{}
}

// MayListen tells whether the user may use a channel. A pattern of channels has to be one of his own, letter by letter.
func (u *User) MayListen(channel []byte, isPattern bool) bool {
	if u.allChannels {
		return true
	}
	for _, own := range u.channels {
		if isPattern && own == string(channel) || !isPattern && match(own, channel) {
			return true
		}
	}
	return false
}
