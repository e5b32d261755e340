// What clients are told of a server connection that failed: nutcracker's words, in both protocols.

package core

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"golang.org/x/sys/unix"
)

func TestErrorTexts(t *testing.T) {
	for _, test := range []struct {
		err             error
		redis, memcache string
	}{
		{unix.ECONNREFUSED, "-ERR Connection refused\r\n", "SERVER_ERROR Connection refused\r\n"},
		{unix.ETIMEDOUT, "-ERR Connection timed out\r\n", "SERVER_ERROR Connection timed out\r\n"},
		{unix.ECONNRESET, "-ERR Connection reset by peer\r\n", "SERVER_ERROR Connection reset by peer\r\n"},
		{io.EOF, "-ERR Connection reset by peer\r\n", "SERVER_ERROR Connection reset by peer\r\n"},
		{unix.EPIPE, "-ERR Broken pipe\r\n", "SERVER_ERROR Broken pipe\r\n"},
		{unix.EHOSTDOWN, "-ERR Host is down\r\n", "SERVER_ERROR Host is down\r\n"},
		{unix.EHOSTUNREACH, "-ERR No route to host\r\n", "SERVER_ERROR No route to host\r\n"},
		{
			fmt.Errorf("%w: WRONGPASS secret", errGreeting),
			"-ERR server refuses AUTH or SELECT\r\n", "SERVER_ERROR server refuses AUTH or SELECT\r\n",
		},
		{
			fmt.Errorf("%w: %v", errGarbage, errors.New("secret")),
			"-ERR server sent what is no reply\r\n", "SERVER_ERROR server sent what is no reply\r\n",
		},
	} {
		if got := string(redisError(test.err)); got != test.redis {
			t.Errorf("redis, %v: %q, want %q", test.err, got, test.redis)
		}
		if got := string(memcacheError(test.err)); got != test.memcache {
			t.Errorf("memcache, %v: %q, want %q", test.err, got, test.memcache)
		}
	}
}
