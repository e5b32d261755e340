// The texts that a client can get from the proxy instead of from a server, and how a request that is none is reported.

package memcache

import "bytes"

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

// NotExecuted and OutcomeUnknown end the answer to a request whose server could not give one, in pools with failover_wait: a
// program may send the former again, and must not the latter unless it does no harm twice.
const (
	NotExecuted    = "; not executed\r\n"
	OutcomeUnknown = "; the outcome is unknown\r\n"
)

// AppendOutcome appends the answer to a request that no server has executed or, where that is unknown, may have executed. failure
// is the answer that tells why.
func AppendOutcome(dst, failure []byte, unknown bool) []byte {
	dst = append(dst, bytes.TrimSuffix(failure, []byte(crlf))...)
	if unknown {
		return append(dst, OutcomeUnknown...)
	}
	return append(dst, NotExecuted...)
}

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

// What is not supported is a CLIENT_ERROR: libmemcached takes a SERVER_ERROR for a server that does not work, and in the
// midst of statistics ends its process.
//
// The texts are those of memcached 1.6, proto_text.c; errBinary and errLineTooLong, where it closes without a word, are
// our own.
var (
	errSilent          = &RequestError{}
	errCommand         = &RequestError{Reply: "ERROR\r\n"}
	errFormat          = &RequestError{Reply: "CLIENT_ERROR bad command line format\r\n"}
	errDelete          = &RequestError{Reply: "CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]\r\n"}
	errDelta           = &RequestError{Reply: "CLIENT_ERROR invalid numeric delta argument\r\n"}
	errExptime         = &RequestError{Reply: "CLIENT_ERROR invalid exptime argument\r\n"}
	errChunk           = &RequestError{Reply: "CLIENT_ERROR bad data chunk\r\n"}
	errDoubled         = &RequestError{Reply: "CLIENT_ERROR duplicate flag\r\n"}
	errDecode          = &RequestError{Reply: "CLIENT_ERROR error decoding key\r\n"}
	errFlag            = &RequestError{Reply: "CLIENT_ERROR invalid or duplicate flag\r\n"}
	errManyFlags       = &RequestError{Reply: "CLIENT_ERROR options flags too long\r\n"}
	errTooLarge        = &RequestError{Reply: TooLarge}
	errUnauthenticated = &RequestError{Reply: Unauthenticated}
	errCredentials     = &RequestError{Reply: BadAuthentication}
	errLineTooLong     = &RequestError{Reply: "CLIENT_ERROR line too long\r\n", Close: true}

	errManyFlagsOfGet = &RequestError{Reply: "CLIENT_ERROR options flags are too long\r\n"}

	errBinary = &RequestError{Reply: "CLIENT_ERROR the connection has begun in the text protocol\r\n", Close: true}
)
