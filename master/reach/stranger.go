// Who answers otherwise than a server of the pool would: another protocol is recognised by its first words, TLS by being tried.

package reach

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
)

// stranger names who has answered so, or closed the connection.
func (v *visit) stranger(err error) {
	words, _ := v.in.Peek(min(max(v.in.Buffered(), 1), 64)) // what has come, or an error again
	switch text := string(words); {
	case isTLS(words), len(words) == 0 && v.takesTLS():
		v.fail("speaks TLS, which Pinion does not speak to servers", "give the port that takes connections without TLS")
	case strings.HasPrefix(text, "HTTP/"), strings.HasPrefix(text, "<"):
		v.fail("speaks HTTP", "correct the port")
	case strings.HasPrefix(text, "SSH-"):
		v.fail("speaks SSH", "correct the port")
	case isMemcached(text) && v.pool.Protocol == link.Redis:
		v.fail("is a memcached in a pool of Redis", "remove redis: true (short form: write protocol memcache), or correct the address")
	case isRedis(text) && v.pool.Protocol == link.Memcache:
		v.fail("is a Redis in a pool of memcached", "add redis: true (short form: remove protocol memcache), or correct the address")
	case len(words) > 0:
		v.fail(fmt.Sprintf("answers %q, which is not of the protocol", shorten(text)), "correct the address")
	case v.pool.Protocol == link.Memcache:
		v.fail("closes the connection without a word", "see its log, and whether it wants SASL (-S), where Pinion gives a password to -Y")
	default:
		v.fail("closes the connection without a word: "+cause(err), "see its log, and whether it lets this host in")
	}
}

// isTLS reports whether these are the first bytes of a record: an alert, or a part of a handshake.
func isTLS(words []byte) bool {
	return len(words) >= 2 && (words[0] == 0x15 || words[0] == 0x16) && words[1] == 3
}

func isMemcached(text string) bool {
	for _, begin := range []string{"ERROR", "CLIENT_ERROR", "SERVER_ERROR", "VERSION "} {
		if strings.HasPrefix(text, begin) {
			return true
		}
	}
	return false
}

func isRedis(text string) bool {
	for _, begin := range []string{"-ERR", "-NOAUTH", "-DENIED", "-LOADING", "+"} {
		if strings.HasPrefix(text, begin) {
			return true
		}
	}
	return false
}

// takesTLS tries a handshake on a new connection. Whose certificate it is does not matter, nor whether ours is wanted.
func (v *visit) takesTLS() bool {
	if v.network != "tcp" {
		return false
	}
	conn, err := connect(context.Background(), v.network, v.address, v.patience)
	if err != nil {
		return false
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(v.patience))
	err = tls.Client(conn, &tls.Config{InsecureSkipVerify: true}).Handshake()
	alert := tls.AlertError(0)
	return err == nil || errors.As(err, &alert) || strings.Contains(err.Error(), "remote error: tls")
}

func isTimeout(err error) bool {
	n := net.Error(nil)
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &n) && n.Timeout()
}

func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrUnexpectedEOF)
}
