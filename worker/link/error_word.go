// What servers answer with errors, by their first words: those that mean something to an operator, and all others together.

package link

import "bytes"

// Error words of servers. The numbers are this build's: the memory has the names.
const (
	otherError    = iota // of Redis, as ERR
	firstError           // of those that have a word of their own
	memcacheSays  = firstError + 19
	NumErrorWords = memcacheSays + 3
)

// ErrorWords are the words as servers say them, and "other" for what is none of them.
var ErrorWords = [NumErrorWords]string{
	"other", "ERR", "OOM", "NOAUTH", "NOPERM", "WRONGPASS", "LOADING", "READONLY", "MISCONF", "MASTERDOWN", "NOREPLICAS", "BUSY", "WRONGTYPE", "NOSCRIPT",
	"EXECABORT", "MOVED", "ASK", "TRYAGAIN", "CROSSSLOT", "CLUSTERDOWN",

	memcacheSays: "ERROR", "CLIENT_ERROR", "SERVER_ERROR",
}

// ErrorWord returns which of ErrorWords an error begins with. It is that of a server of this protocol, without what marks it as an
// error there.
func ErrorWord(p Protocol, text []byte) int {
	first, end := firstError, memcacheSays
	if p != Redis {
		first, end = memcacheSays, NumErrorWords
	}
	for word := first; word < end; word++ {
		name := ErrorWords[word]
		if len(text) >= len(name) && string(text[:len(name)]) == name && (len(text) == len(name) || bytes.IndexByte([]byte(" \r:"), text[len(name)]) >= 0) {
			return word
		}
	}
	return otherError
}

// ErrorWordOf tells whether servers of a protocol say the word.
func ErrorWordOf(word int, p Protocol) bool {
	return word == otherError || (word < memcacheSays) == (p == Redis)
}

func init() {
	for word, name := range ErrorWords {
		PoolCounters[FirstErrorWord+word] = CounterInfo{"errors_" + name, Counter, "error replies of servers that begin with " + name}
	}
}
