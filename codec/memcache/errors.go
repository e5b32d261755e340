// The texts that a client can get from the proxy instead of from a server, and how a request that is none is reported.

package memcache

// Answers to a request whose server could not give one, with the wording of nutcracker: "SERVER_ERROR " and strerror.
const (
	ConnectionRefused  = "SERVER_ERROR Connection refused\r\n"
	ConnectionTimedOut = "SERVER_ERROR Connection timed out\r\n"
	ConnectionReset    = "SERVER_ERROR Connection reset by peer\r\n"
	BrokenPipe         = "SERVER_ERROR Broken pipe\r\n"
	HostIsDown         = "SERVER_ERROR Host is down\r\n"

	// InvalidArgument stands for a server's reply that cannot be the reply to this request.
	InvalidArgument = "SERVER_ERROR Invalid argument\r\n"

	// TooLarge is for callers whose limit for a request is lower than MaxValueBytes. Unlike memcached, which says the
	// same, the proxy leaves the old value where it is.
	TooLarge = "SERVER_ERROR object too large for cache\r\n"
)

// RequestError says why the bytes of a client are not a request that can be forwarded.
type RequestError struct {
	Reply string // what the client is told, line end included; empty if the line ended in "noreply"
	Close bool   // nothing says where the next request begins: close once Reply is sent
}

// Error gives the reply without its line end, for a log.
func (e *RequestError) Error() string {
	if e.Reply == "" {
		return "error not sent because of noreply"
	}
	return e.Reply[:len(e.Reply)-len(crlf)]
}

// unless returns e, or an error without a reply if noreply is set: memcached then keeps even its errors to itself.
func (e *RequestError) unless(noreply bool) *RequestError {
	if noreply {
		return errSilent
	}
	return e
}

// The texts are those of memcached 1.6, proto_text.c; errBinary and errLineTooLong, where it closes without a word, are
// our own.
var (
	errSilent      = &RequestError{}
	errCommand     = &RequestError{Reply: "ERROR\r\n"}
	errFormat      = &RequestError{Reply: "CLIENT_ERROR bad command line format\r\n"}
	errDelete      = &RequestError{Reply: "CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]\r\n"}
	errDelta       = &RequestError{Reply: "CLIENT_ERROR invalid numeric delta argument\r\n"}
	errExptime     = &RequestError{Reply: "CLIENT_ERROR invalid exptime argument\r\n"}
	errChunk       = &RequestError{Reply: "CLIENT_ERROR bad data chunk\r\n"}
	errTooLarge    = &RequestError{Reply: TooLarge}
	errLineTooLong = &RequestError{Reply: "CLIENT_ERROR line too long\r\n", Close: true}
	errBinary      = &RequestError{Reply: "CLIENT_ERROR binary protocol is not supported by pinion\r\n", Close: true}
)

// What is not supported is a CLIENT_ERROR: libmemcached takes a SERVER_ERROR for a server that does not work, and in the
// midst of statistics ends its process.

// AppendSoloRefusal appends the answer to a request whose Route is Solo in a pool of several servers. b is as for
// AppendForward.
func AppendSoloRefusal(dst, b []byte, r *Request) []byte {
	name := nextWord(b, 0, int(r.lineEnd))
	argument := nextWord(b, int(name.Hi), int(r.lineEnd))
	shown := argument.Of(b)
	shown = shown[:min(len(shown), maxShownBytes)]
	dst = append(dst, "CLIENT_ERROR '"...)
	dst = append(dst, name.Of(b)...)
	dst = append(dst, ' ')
	dst = append(dst, shown...)
	return append(dst, "' needs a pool of one server\r\n"...)
}

// maxShownBytes is how much of a client's word an error shows: libmemcached reads error lines into 80 bytes.
const maxShownBytes = 20
