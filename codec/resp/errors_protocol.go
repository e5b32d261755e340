// What is wrong with the bytes of a request, in the words of Redis.

package resp

// ProtocolError says why the bytes of a client are not a request. The client is told "-ERR " + Error() and then
// closed, because nothing says where the next request would begin.
type ProtocolError struct{ text string }

func (e *ProtocolError) Error() string { return "Protocol error: " + e.text }

// The texts are those of src/networking.c; the last two of the first group are our own.
var (
	errCount      = &ProtocolError{"invalid multibulk length"}
	errBigCount   = &ProtocolError{"too big mbulk count string"}
	errLength     = &ProtocolError{"invalid bulk length"}
	errBigLength  = &ProtocolError{"too big bulk count string"}
	errBigInline  = &ProtocolError{"too big inline request"}
	errUnbalanced = &ProtocolError{"unbalanced quotes in request"}
	errBulkEnd    = &ProtocolError{"bulk not terminated by CRLF"}
	errBigRequest = &ProtocolError{"too big request"}

	errUnauthenticatedCount  = &ProtocolError{"unauthenticated multibulk length"}
	errUnauthenticatedLength = &ProtocolError{"unauthenticated bulk length"}
)

func errExpectedBulk(got byte) *ProtocolError {
	if got == '\r' || got == '\n' {
		got = ' '
	}
	return &ProtocolError{"expected '$', got '" + string([]byte{got}) + "'"}
}
