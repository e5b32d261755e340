// Who answers otherwise than a server of the pool would: another protocol is recognised by its first words, TLS by being tried.

package reach

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/pinion-proxy/pinion/master/certs"
	"github.com/pinion-proxy/pinion/worker/link"
)

// stranger names who has answered so, or closed the connection.
func (v *visit) stranger(err error) {
	words, _ := v.in.Peek(min(max(v.in.Buffered(), 1), 64)) // what has come, or an error again
	switch text := string(words); {
	case isTLS(words), len(words) == 0 && v.client() == nil && v.takesTLS():
		v.fail("speaks TLS, and is asked in plaintext", v.plaintextHint())
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

// plaintextHint says how to have the target asked by TLS.
func (v *visit) plaintextHint() string {
	if v.pool.ServerTLS != nil {
		return "remove sentinel_tls: false"
	}
	return "add server_tls: true, or give a port that takes connections without TLS"
}

// encryptedHint says how to have the target asked in plaintext.
func (v *visit) encryptedHint() string {
	if v.role == asSentinel {
		return "give the port on which it does, or add sentinel_tls: false"
	}
	return "give the port on which it does, or remove server_tls"
}

// unencrypted says why there is no encrypted connection.
func (v *visit) unencrypted(err error) {
	switch kind, flaw := certs.Explain(err); {
	case flaw != nil:
		v.fail(flaw.Message, flaw.Hint)
	case kind == certs.Plaintext, kind == certs.Silent && v.takesPlaintext():
		v.fail("speaks no TLS, and is asked by it", v.encryptedHint())
	case kind == certs.Silent && isTimeout(err):
		v.fail(fmt.Sprintf("has accepted a connection, and not answered a handshake of TLS for %v", v.patience), "see whether it hangs, and whether it speaks TLS there")
	default:
		v.fail("has broken the connection in a handshake of TLS: "+cause(err), "see its log, and whether it speaks TLS there")
	}
}

// unwelcome says why a server ends an encrypted connection. By TLS 1.3 it looks at our certificate after the handshake, and what it says
// of that is lost where it resets the connection on which we have asked already: on another one nothing is asked.
func (v *visit) unwelcome(err error) {
	ctx, cancel := context.WithTimeout(context.Background(), v.patience)
	defer cancel()
	conn, again := v.again()
	if again == nil {
		if conn, again = v.client().Secure(ctx, conn, v.address); again == nil {
			defer conn.Close()
			_, again = conn.Read(make([]byte, 1))
		}
	}
	if _, flaw := certs.Explain(again); flaw != nil {
		v.fail(flaw.Message, flaw.Hint)
		return
	}
	v.fail("closes the connection after the handshake of TLS: "+cause(err), "see its log, and whether it lets this host in")
}

// again is a new connection, with all the patience.
func (v *visit) again() (net.Conn, error) {
	conn, err := connect(context.Background(), v.network, v.address, v.patience)
	if err == nil {
		conn.SetDeadline(time.Now().Add(v.patience))
	}
	return conn, err
}

// takesTLS tries a handshake.
func (v *visit) takesTLS() bool {
	if v.network != "tcp" {
		return false
	}
	conn, err := v.again()
	if err != nil {
		return false
	}
	defer conn.Close()
	return certs.Speaks(conn)
}

// takesPlaintext tries the protocol of the pool.
func (v *visit) takesPlaintext() bool {
	conn, err := v.again()
	if err != nil {
		return false
	}
	defer conn.Close()
	question, answers := "PING\r\n", isRedis
	if v.pool.Protocol == link.Memcache {
		question, answers = "version\r\n", isMemcached
	}
	io.WriteString(conn, question)
	words, err := bufio.NewReader(conn).ReadString('\n')
	return err == nil && answers(words)
}

func isTimeout(err error) bool {
	n := net.Error(nil)
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &n) && n.Timeout()
}

func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrUnexpectedEOF)
}
