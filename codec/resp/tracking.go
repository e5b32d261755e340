// CLIENT TRACKING: what a client asks servers to tell it of the keys that it has read.

package resp

import "bytes"

// Tracking is what CLIENT TRACKING ON asks.
type Tracking struct {
	Broadcast, OptIn, OptOut, NoLoop bool

	Prefixes [][]byte // parts of the request
}

// Texts of errors, as Redis has them but for the first three.
const (
	TrackingNeedsRESP3  = "ERR CLIENT TRACKING needs RESP3, in which invalidations come over the same connection; say HELLO 3"
	TrackingKeepsRESP3  = "ERR CLIENT TRACKING needs RESP3; turn CLIENT TRACKING OFF first"
	TrackingNoRedirect  = "ERR CLIENT TRACKING REDIRECT is not supported by pinion: the other connection may be with another worker; use RESP3"
	TrackingPrefix      = "ERR PREFIX option requires BCAST mode to be enabled"
	TrackingModes       = "ERR OPTIN and OPTOUT are not compatible with BCAST"
	TrackingBothModes   = "ERR You can't specify both OPTIN mode and OPTOUT mode"
	TrackingSwitchBcast = "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it with a different mode."
	TrackingSwitchOpt   = "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it with a different mode."
	CachingNoTracking   = "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled"
	CachingYes          = "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode."
	CachingNo           = "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode."
)

// ParseTracking reads the options behind CLIENT TRACKING ON, or returns the text of the error. before is what the client has asked
// already, nil if nothing.
func ParseTracking(b []byte, options []Span, before *Tracking) (t Tracking, failure string) {
	for i := 0; i < len(options); i++ {
		switch option, more := options[i].Of(b), i+1 < len(options); {
		case equalFold(option, "redirect") && more:
			return t, TrackingNoRedirect
		case equalFold(option, "bcast"):
			t.Broadcast = true
		case equalFold(option, "optin"):
			t.OptIn = true
		case equalFold(option, "optout"):
			t.OptOut = true
		case equalFold(option, "noloop"):
			t.NoLoop = true
		case equalFold(option, "prefix") && more:
			i++
			t.Prefixes = append(t.Prefixes, options[i].Of(b))
		default:
			return t, SyntaxError
		}
	}
	switch {
	case len(t.Prefixes) > 0 && !t.Broadcast:
		return t, TrackingPrefix
	case before != nil && before.Broadcast != t.Broadcast:
		return t, TrackingSwitchBcast
	case t.Broadcast && (t.OptIn || t.OptOut):
		return t, TrackingModes
	case t.OptIn && t.OptOut:
		return t, TrackingBothModes
	case before != nil && (t.OptIn && before.OptOut || t.OptOut && before.OptIn):
		return t, TrackingSwitchOpt
	}
	return t, t.overlap(before)
}

// overlap returns the text of the error if one of the prefixes begins with another one.
func (t *Tracking) overlap(before *Tracking) (failure string) {
	for i, p := range t.Prefixes {
		if before != nil {
			if other := overlapping(p, before.Prefixes); other != nil {
				return "ERR Prefix '" + string(p) + "' overlaps with an existing prefix '" + string(other) + prefixesMustNot
			}
		}
		if other := overlapping(p, t.Prefixes[i+1:]); other != nil {
			return "ERR Prefix '" + string(p) + "' overlaps with another provided prefix '" + string(other) + prefixesMustNot
		}
	}
	return ""
}

const prefixesMustNot = "'. Prefixes for a single client must not overlap."

// overlapping returns the first of others that begins with p, or with which p begins; nil: none does.
func overlapping(p []byte, others [][]byte) []byte {
	for _, other := range others {
		if bytes.HasPrefix(p, other) || bytes.HasPrefix(other, p) {
			return other
		}
	}
	return nil
}

// TrackEverywhere is CLIENT TRACKING as it goes to every server.
var TrackEverywhere = &Command{Name: "client|tracking", Route: All, Arity: -3, Merge: mergeAgreed}

// InvalidateAll is the push that tells a client to forget all that it has read.
const InvalidateAll = ">2\r\n$10\r\ninvalidate\r\n_\r\n"

// IsInvalidation reports whether a push says that keys have changed.
func IsInvalidation(push []byte) bool {
	return bytes.HasPrefix(push, []byte(InvalidateAll[:len(">2\r\n$10\r\ninvalidate\r\n")]))
}
