// Alerts: why a connection ends, as the peer is told or tells (RFC 9846, 6).

package tlsrec

import (
	"errors"
	"fmt"
)

// Alert is the number of an alert. As an error it is one that is to be sent to the peer, with SealAlert.
type Alert uint8

// The alerts that this package sends or treats as special.
const (
	CloseNotify       Alert = 0
	UnexpectedMessage Alert = 10
	BadRecordMAC      Alert = 20
	RecordOverflow    Alert = 22
	IllegalParameter  Alert = 47
	DecodeError       Alert = 50
	ProtocolVersion   Alert = 70
	InternalError     Alert = 80
	UserCanceled      Alert = 90
)

var alertNames = map[Alert]string{
	0: "close notify", 10: "unexpected message", 20: "bad record MAC", 22: "record overflow", 40: "handshake failure",
	42: "bad certificate", 43: "unsupported certificate", 44: "certificate revoked", 45: "certificate expired",
	46: "certificate unknown", 47: "illegal parameter", 48: "unknown certificate authority", 49: "access denied",
	50: "decode error", 51: "decrypt error", 70: "protocol version", 71: "insufficient security", 80: "internal error",
	86: "inappropriate fallback", 90: "user canceled", 100: "no renegotiation", 109: "missing extension",
	110: "unsupported extension", 112: "unrecognized name", 116: "certificate required", 120: "no application protocol",
}

// String is the alert's name in words.
func (a Alert) String() string {
	if name, ok := alertNames[a]; ok {
		return name
	}
	return fmt.Sprintf("alert %d", uint8(a))
}

func (a Alert) Error() string { return "TLS: " + a.String() }

// PlainAlert returns the alert of a record that is not encrypted, with its header; !ok: it is something else.
func PlainAlert(record []byte) (alert Alert, fatal, ok bool) {
	const size, levelFatal = 2, 2
	if len(record) != HeaderSize+size || RecordSize(record) != len(record) || recordKind(record[0]) != recordAlert {
		return 0, false, false
	}
	return Alert(record[HeaderSize+1]), record[HeaderSize] == levelFatal, true
}

// RemoteAlert is the error of a connection that the peer has ended with an alert.
type RemoteAlert Alert

func (a RemoteAlert) Error() string { return "the peer ends TLS: " + Alert(a).String() }

// Reason is the alert in words.
func (a RemoteAlert) Reason() string { return Alert(a).String() }

// IsAboutCertificate tells whether the peer may mean the certificate that it was shown, or that it was not. In TLS 1.2 many say handshake
// failure where there is none.
func (a RemoteAlert) IsAboutCertificate() bool { return a >= 40 && a <= 49 && a != 47 || a == 116 }

// ErrClosed is the error of a connection whose peer has said that it sends no more. This side may go on.
var ErrClosed = errors.New("the peer has closed TLS")

// failure is an error after which nothing can be read: an Alert, or a RemoteAlert as a negative number. A close_notify is none.
type failure int16

const sound failure = 0

// failureOf returns that of an error of a record.
func failureOf(err error) failure {
	switch e := err.(type) {
	case nil:
		return sound
	case Alert:
		return failure(e)
	case RemoteAlert:
		return -failure(e)
	}
	return failure(InternalError)
}

func (f failure) err() error {
	if f < 0 {
		return RemoteAlert(-f)
	}
	return Alert(f)
}
