// What a client is told when no server answers it: the texts of all error replies that the proxy makes itself.

package resp

import (
	"bytes"
	"strconv"
	"strings"
)

// Texts for AppendError. Those of Redis are in the words of Redis, so that clients recognise them.
const (
	InvalidPassword = "ERR invalid password"            // as nutcracker, to AUTH with one argument
	NoAuth          = "NOAUTH Authentication required"  // as nutcracker: without the full stop of Redis
	NotLoggedIn     = "NOAUTH Authentication required." // as Redis, in pools that have users
	HelloNeedsLogin = "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time"
	NoPassword      = "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?"
	WrongPass       = "WRONGPASS invalid username-password pair or user is disabled."
	NoProto         = "NOPROTO unsupported protocol version"
	BadClientName   = "ERR Client names cannot contain spaces, newlines or special characters."
	BadProto        = "ERR Protocol version is not an integer or out of range"
	BadDB           = "ERR DB index is out of range"

	ConnectionRefused = "ERR Connection refused" // no server: all ejected, or none listens
	ConnectionTimeout = "ERR Connection timed out"
	ConnectionReset   = "ERR Connection reset by peer"
	BrokenPipe        = "ERR Broken pipe"
	HostDown          = "ERR Host is down" // the name of the server does not resolve
	NoServerProto     = "NOPROTO a server of this pool does not speak RESP3; say HELLO 2"
	NoServerDB        = "ERR the server has no such database, see SELECT"

	NestedMulti         = "ERR MULTI calls can not be nested"
	WatchInMulti        = "ERR WATCH inside MULTI is not allowed"
	ExecWithoutMulti    = "ERR EXEC without MULTI"
	DiscardWithoutMulti = "ERR DISCARD without MULTI"
	LargeTransaction    = "ERR transaction is larger than max_request_bytes"
	ExecAbort           = "EXECABORT Transaction discarded because of previous errors."

	CrossSlotKeys = "CROSSSLOT Keys in request don't hash to the same slot" // in a pool of a Redis Cluster, in whose words it is

	SyntaxError  = "ERR syntax error"
	NotAnInteger = "ERR value is not an integer or out of range"
)

// unknownBytes is how much of a name, and of all arguments together, an error about an unknown command shows.
const unknownBytes = 128

// AppendProtocolError appends the reply to bytes that are not a request; the connection is closed after it.
func AppendProtocolError(dst []byte, err error) []byte { return AppendError(dst, "ERR "+err.Error()) }

// AppendUnknownCommand appends the reply to the request args of b, whose name Lookup does not know.
func AppendUnknownCommand(dst, b []byte, args []Span) []byte {
	start := len(dst)
	dst = append(dst, "-ERR unknown command '"...)
	dst = append(dst, cString(args[0].Of(b), unknownBytes)...)
	dst = append(dst, "', with args beginning with: "...)
	shown := 0
	for _, a := range args[1:] {
		if shown >= unknownBytes {
			break
		}
		s := cString(a.Of(b), unknownBytes-shown)
		dst = append(dst, '\'')
		dst = append(dst, s...)
		dst = append(dst, "' "...)
		shown += len(s) + len("'' ")
	}
	blankLineEnds(dst[start:])
	return append(dst, crlf...)
}

// AppendUnknownSubcommand appends the reply to the request args of b, whose subcommand Resolve does not know.
func AppendUnknownSubcommand(dst, b []byte, args []Span) []byte {
	start := len(dst)
	dst = append(dst, "-ERR unknown subcommand '"...)
	dst = append(dst, cString(args[1].Of(b), unknownBytes)...)
	dst = append(dst, "'. Try "...)
	dst = append(dst, bytes.ToUpper(args[0].Of(b))...)
	dst = append(dst, " HELP."...)
	blankLineEnds(dst[start:])
	return append(dst, crlf...)
}

// AppendWrongArity appends the reply to a request for which CheckArity is false.
func AppendWrongArity(dst []byte, c *Command) []byte { return AppendError(dst, wrongArity(c)) }

// AppendNotSupported appends the reply to a command that is routed Refuse.
func AppendNotSupported(dst []byte, c *Command) []byte { return AppendError(dst, notSupported(c.Name)) }

// MonitorsOnly is the error of Redis for a read or a write of a client that monitors.
const MonitorsOnly = "ERR Replica can't interact with the keyspace"

// AppendNeedsSolo appends the reply to a command that is routed Solo in a pool of several servers.
func AppendNeedsSolo(dst []byte, c *Command) []byte {
	return AppendError(dst, notSupported(c.Name)+" in a pool of several servers")
}

// AppendDenied appends the reply to a command that the pool's configuration denies, with the code that Redis has for that.
func AppendDenied(dst []byte, c *Command) []byte {
	return AppendError(dst, "NOPERM '"+c.Name+"' is denied by the pool's configuration")
}

// AppendOnlySubscriber appends the reply to a command that a client of RESP2 may not send while it has subscriptions.
func AppendOnlySubscriber(dst []byte, c *Command) []byte {
	return AppendError(dst, "ERR Can't execute '"+c.Name+"': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context")
}

// AppendCannotWait appends the reply to WAIT or WAITAOF where the server refuses the write that must precede it with an error reply.
func AppendCannotWait(dst []byte, c *Command, reply []byte) []byte {
	code, text := errorParts(reply)
	return AppendError(dst, "ERR '"+c.Name+"' waits for a SWAPDB of the database with itself, which the server refuses: "+code+" "+text)
}

// AppendTooMany appends the reply to a request of more than most arguments, any of which may be a key.
func AppendTooMany(dst []byte, c *Command, most int) []byte {
	return AppendError(dst, "ERR '"+c.Name+"' of more than "+strconv.Itoa(most)+" arguments is not supported by pinion")
}

// AppendTooLong appends the reply to a request of more than most bytes, which all workers would have to be told.
func AppendTooLong(dst []byte, c *Command, most int) []byte {
	return AppendError(dst, "ERR '"+c.Name+"' of more than "+strconv.Itoa(most)+" bytes is not supported by pinion")
}

// AppendOtherDB appends the reply to a SELECT of another database than db, the pool's, after which the connection is closed, or to
// what else would reach into one, after which it is not.
func AppendOtherDB(dst []byte, what string, db int) []byte {
	return AppendError(dst, "ERR '"+what+"' of another database than "+strconv.Itoa(db)+" is not supported by pinion")
}

// AppendCrossShard appends the reply to a request whose keys live on several servers and that cannot be divided.
func AppendCrossShard(dst []byte, c *Command) []byte {
	return AppendError(dst, "CROSSSHARD keys of '"+c.Name+"' live on different servers; use a hash tag")
}

// AppendForeign appends the reply to a request for which Keys gave ErrForeign in a pool of several servers.
func AppendForeign(dst []byte, c *Command) []byte {
	return AppendError(dst, "CROSSSHARD '"+c.Name+"' may touch keys that it does not name, on any server")
}

// AppendOtherServer appends the reply to a request in a transaction whose keys live on another server than those before it.
func AppendOtherServer(dst []byte, c *Command) []byte {
	if c.Name == "publish" || c.Name == "spublish" {
		return AppendError(dst, "CROSSSHARD the channel of '"+c.Name+"' lives on another server than what comes before it in the transaction; use a hash tag, or publish after EXEC")
	}
	return AppendError(dst, "CROSSSHARD keys of '"+c.Name+"' live on another server than those before it in the transaction; use a hash tag")
}

// AppendNotInTransaction appends the reply to a request that is answered here and cannot be a part of what a server executes.
func AppendNotInTransaction(dst []byte, c *Command) []byte {
	return AppendError(dst, "ERR '"+c.Name+"' in a transaction is not supported by pinion")
}

// AppendAllInTransaction appends the reply to a request in a transaction that concerns all servers.
func AppendAllInTransaction(dst []byte, c *Command) []byte {
	return AppendError(dst, "CROSSSHARD '"+c.Name+"' concerns all servers of the pool, and a transaction only one")
}

// AppendExecAbort appends the reply to EXEC where a request of the transaction, which was queued, cannot be executed now:
// failure is the error reply to that.
func AppendExecAbort(dst, failure []byte) []byte {
	return AppendError(dst, "EXECABORT Transaction discarded because of: "+strings.TrimPrefix(failureText(failure), "ERR "))
}

// IsExecWithoutMulti reports whether a reply to EXEC says that there was no MULTI.
func IsExecWithoutMulti(reply []byte) bool {
	return bytes.HasPrefix(reply, []byte("-"+ExecWithoutMulti))
}

// IsExecAbort reports whether a reply to EXEC says that the transaction is over and nothing of it is executed.
func IsExecAbort(reply []byte) bool { return bytes.HasPrefix(reply, []byte("-EXECABORT")) }

// AppendUnknownOutcome appends the reply to an EXEC that was sent and is not answered; failure is the error reply that tells why.
func AppendUnknownOutcome(dst, failure []byte) []byte {
	return AppendError(dst, failureText(failure)+"; EXEC was sent, and the outcome of the transaction is unknown")
}

// NotExecuted and OutcomeUnknown end the error reply to a request that a server could not answer, in pools with failover_wait: a
// program may send the former again, and must not the latter unless it does no harm twice.
const (
	NotExecuted    = "; not executed"
	OutcomeUnknown = "; the outcome is unknown"
)

// AppendOutcome appends the error reply to a request that no server has executed or, where that is unknown, may have executed.
// failure is the error reply that tells why it is not answered.
func AppendOutcome(dst, failure []byte, unknown bool) []byte {
	if unknown {
		return AppendError(dst, failureText(failure)+OutcomeUnknown)
	}
	return AppendError(dst, failureText(failure)+NotExecuted)
}

// failureText returns the text of an error reply.
func failureText(reply []byte) string {
	return string(bytes.TrimSuffix(bytes.TrimPrefix(reply, []byte("-")), []byte(crlf)))
}

// appendUnexpected appends the reply to a divided request one of whose parts got a reply of the wrong kind.
func appendUnexpected(dst []byte, c *Command) []byte {
	return AppendError(dst, "ERR unexpected reply of a server to its part of '"+c.Name+"'")
}

// appendUnexpectedAnswer appends the reply to a request for all servers one of which gave a reply of the wrong kind.
func appendUnexpectedAnswer(dst []byte, c *Command) []byte {
	return AppendError(dst, "ERR unexpected reply of a server to '"+c.Name+"'")
}

func wrongArity(c *Command) string {
	return "ERR wrong number of arguments for '" + c.Name + "' command"
}

func notSupported(name string) string { return "ERR '" + name + "' is not supported by pinion" }

func keyError(c *Command, text string) KeyError {
	return KeyError(strings.Replace(text, "%s", c.Name, 1))
}

func onlyGroup(option []byte) KeyError {
	name := strings.ToUpper(string(option))
	return KeyError("ERR The " + name + " option is only supported by XREADGROUP. You called XREAD instead.")
}

// lastID is the symbol for the newest entry of a stream, in errors of XREAD and XREADGROUP.
func (c *Command) lastID() string {
	if c.Write {
		return ">"
	}
	return "$"
}

// cString cuts s as printf does with "%.*s": at limit and at a NUL.
func cString(s []byte, limit int) []byte {
	s = s[:min(len(s), limit)]
	if i := bytes.IndexByte(s, 0); i >= 0 {
		s = s[:i]
	}
	return s
}
