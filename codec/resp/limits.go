// How long requests and replies may be, and what is in them.

package resp

const (
	// MaxArgs is the largest number of arguments of one request, the name included: as with Redis, whatever fits into
	// an int. What bounds them is the length of the request.
	MaxArgs = 1<<31 - 1

	// MaxRequestBytes is the largest length of a whole request, which keeps every offset within a Span. Smaller limits
	// are the caller's: n of a complete request and Progress.Pos of an incomplete one say how long it is at least.
	MaxRequestBytes = 1<<31 - 1

	// unauthenticatedArgs and UnauthenticatedBytes bound what a client may send that has not given the password: the number of arguments of
	// a request, and the length of each, as in Redis.
	unauthenticatedArgs  = 10
	UnauthenticatedBytes = 16 << 10

	// maxLineBytes bounds an inline request and the line of a length, as PROTO_INLINE_MAX_SIZE does in Redis.
	maxLineBytes = 64 << 10

	// maxReplyLineBytes bounds a line of a reply. Redis sends short ones; a script may send any string as a status.
	maxReplyLineBytes = 512 << 20

	// maxReplyBulkBytes bounds a bulk string of a reply, and so the sums in Progress. In Redis proto-max-bulk-len does:
	// 512 MB as delivered, and as much as an operator likes.
	maxReplyBulkBytes = 1 << 47

	// maxReplyValues bounds the values that are still to come within one reply, and so the sums in Progress.
	maxReplyValues = 1<<31 - 1
)
