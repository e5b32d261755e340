// Authentication as memcached has it: SASL PLAIN in the binary protocol (RFC 4616), and in text the first "set", whose value is the
// user and the password (option -Y).

package memcache

import (
	"bytes"
	"strconv"
)

// What a text client is told that authenticates, or does not, in the words of memcached.
const (
	Authenticated     = "STORED\r\n"
	Unauthenticated   = "CLIENT_ERROR unauthenticated\r\n"
	WrongPassword     = "CLIENT_ERROR authentication failure\r\n"
	BadAuthentication = "CLIENT_ERROR bad authentication token format\r\n"
)

// MaxCredentialBytes bounds user and password together.
const MaxCredentialBytes = 1 << 10

// maxAuthBytes is more than a client sends in order to authenticate.
const maxAuthBytes = binaryHeaderBytes + MaxKeyBytes + 2*MaxCredentialBytes

// Credentials are what a client gives in order to authenticate.
type Credentials struct{ User, Password []byte }

// ConsumeStranger parses the request at the front of b, of a text client that is not authenticated. It is size bytes long, of which
// not all need be there; 0: it is incomplete. It gives its credentials, or is to be refused with a text.
func ConsumeStranger(b []byte) (given Credentials, size int, refusal *RequestError) {
	eol, fault := findLine(b, 0)
	switch {
	case fault != nil:
		return given, len(b), fault
	case eol > MaxLineBytes, eol < 0 && len(b) > MaxLineBytes: // of many keys, too
		return given, len(b), errLineTooLong
	case eol < 0:
		return given, 0, nil
	}
	r, _, _ := parseLine(b, eol, nil)
	switch {
	case r.Cmd == nil || r.Cmd.Name != "set" || r.size == eol+1:
		return given, r.size, errUnauthenticated
	case r.size > eol+1+MaxCredentialBytes+len(crlf):
		return given, r.size, errCredentials
	case r.size > len(b):
		return given, 0, nil
	}
	user, password, found := bytes.Cut(b[eol+1:r.size-len(crlf)], []byte(" "))
	switch {
	case string(b[r.size-len(crlf):r.size]) != crlf:
		return given, r.size, errUnauthenticated
	case !found:
		return given, r.size, errCredentials
	}
	return Credentials{user, password}, r.size, nil
}

// AppendCredentials appends the text request by which a client authenticates.
func AppendCredentials(dst []byte, user, password string) []byte {
	dst = append(dst, "set auth 0 0 "...)
	dst = strconv.AppendInt(dst, int64(len(user)+1+len(password)), 10)
	dst = append(dst, crlf...)
	dst = append(dst, user...)
	dst = append(dst, ' ')
	dst = append(dst, password...)
	return append(dst, crlf...)
}

// AsksForPassword reports whether a server's reply says that its client must authenticate first.
func AsksForPassword(reply []byte) bool { return string(reply) == Unauthenticated }

// AuthStep is what a binary request asks of SASL.
type AuthStep uint8

const (
	AuthNone       AuthStep = iota // nothing
	AuthMechanisms                 // which mechanisms there are
	AuthBegin                      // to authenticate with what it sends next
	AuthPlain                      // to authenticate with its Credentials
	AuthWrong                      // what is not there, or not right in any case
)

const plain = "PLAIN"

// Auth returns what r asks of SASL. Of an AuthPlain all Size bytes must be there for its credentials.
func (r *BinaryRequest) Auth() AuthStep {
	switch kind := opcodes[r.Form.Opcode].kind; {
	case kind == binaryMechanisms:
		return AuthMechanisms
	case kind != binaryAuth:
		return AuthNone
	case r.Size > maxAuthBytes:
		return AuthWrong
	}
	return AuthPlain
}

// Credentials returns what an AuthPlain gives, or what it is instead.
func (r *BinaryRequest) Credentials() (given Credentials, step AuthStep) {
	if !bytes.EqualFold(r.Key, []byte(plain)) {
		return given, AuthWrong
	}
	if len(r.Value) == 0 {
		return given, AuthBegin
	}
	parts := bytes.Split(r.Value, []byte{0}) // for whom, who, password
	if len(parts) != 3 || len(parts[0]) > 0 && !bytes.Equal(parts[0], parts[1]) {
		return given, AuthWrong
	}
	return Credentials{parts[1], parts[2]}, AuthPlain
}

// BeforeAuth reports whether a client that is not authenticated may send r.
func (r *BinaryRequest) BeforeAuth() bool {
	kind := opcodes[r.Form.Opcode].kind
	return kind == binaryMechanisms || kind == binaryAuth || kind == binaryVersion
}

// AppendAuth appends the reply to what r asks of SASL.
func (f ReplyForm) AppendAuth(dst []byte, step AuthStep) []byte {
	p := packet{form: f}
	switch step {
	case AuthMechanisms:
		p.value = []byte(plain)
	case AuthBegin:
		p.status = statusContinue
	case AuthPlain:
		p.value = []byte("Authenticated")
	default:
		return f.AppendStatus(dst, StatusDenied)
	}
	return p.append(dst)
}
