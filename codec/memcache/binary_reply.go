// The replies of servers, which are text, as packets of the binary protocol.

package memcache

import (
	"bytes"
	"encoding/binary"
)

// packet is a reply that is being made.
type packet struct {
	form    ReplyForm
	status  BinaryStatus
	cas     uint64
	flags   []byte // a number in text: the extras; nil: there are none
	key     []byte
	value   []byte
	numeric bool // value is a number in text, and is sent as eight bytes
}

// AppendStatus appends the reply to a binary request that no server is asked.
func (f ReplyForm) AppendStatus(dst []byte, s BinaryStatus) []byte {
	p := packet{form: f, status: s, value: []byte(s.text())}
	return p.append(dst)
}

// AppendQuitReply appends the reply to a request with Quit: none, if that is quiet.
func (r *BinaryRequest) AppendQuitReply(dst []byte) []byte {
	if opcodes[r.Form.Opcode].quiet {
		return dst
	}
	return r.Form.AppendStatus(dst, statusOK)
}

// append appends the packet.
func (p *packet) append(dst []byte) []byte {
	head := len(dst)
	dst = append(dst, replyMagic, p.form.Opcode)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(p.key)))
	dst = append(dst, 0, 0) // the length of the extras, below
	dst = binary.BigEndian.AppendUint16(dst, uint16(p.status))
	dst = append(dst, 0, 0, 0, 0) // that of the body, below
	dst = binary.BigEndian.AppendUint32(dst, p.form.Opaque)
	dst = binary.BigEndian.AppendUint64(dst, p.cas)
	body := len(dst)
	if p.flags != nil {
		v, _, _ := parseNumber(p.flags)
		dst = binary.BigEndian.AppendUint32(dst, uint32(v))
		dst[head+4] = 4
	}
	dst = append(dst, p.key...)
	if p.numeric {
		v, _, _ := parseNumber(bytes.TrimRight(p.value, " "))
		dst = binary.BigEndian.AppendUint64(dst, v)
	} else {
		dst = append(dst, p.value...)
	}
	binary.BigEndian.PutUint32(dst[head+8:], uint32(len(dst)-body))
	return dst
}

// appendBinaryReply appends what the client gets of a reply, which is complete: nothing, if the request was quiet and the reply
// is the usual one.
func appendBinaryReply(dst []byte, f ReplyForm, reply []byte) []byte {
	op := &opcodes[f.Opcode]
	p := packet{form: f}
	text, _, _ := bytes.Cut(reply, []byte(crlf))
	code := metaCode(text)
	switch {
	case IsError(reply):
		p.status, p.value = op.fault(text), text
		if usual := p.status.text(); p.status != statusTemporaryFault && p.status != statusNotSupported {
			p.value = []byte(usual)
		}
	case op.kind == binaryStat:
		return appendStatReply(dst, p, reply)
	case op.kind == binaryVersion:
		p.value = bytes.TrimPrefix(text, []byte("VERSION "))
	case code == "HD", code == "VA":
		if op.quiet && op.kind != binaryGet && op.kind != binaryTouch {
			return dst
		}
		p.take(op, text, reply)
	case code == "":
		if op.quiet {
			return dst
		}
	case code == "EN" && op.quiet:
		return dst
	default:
		p.status = op.result(code)
		p.value = []byte(p.status.text())
		if op.key { // then there is no text
			_, _, p.key = readFlags(text)
			if len(p.key) > 0 {
				p.value = nil
			}
		}
	}
	return p.append(dst)
}

// take reads a successful reply to a meta command.
func (p *packet) take(op *opcode, text, reply []byte) {
	p.cas, p.flags, p.key = readFlags(text)
	if !op.key {
		p.key = nil
	}
	if op.kind != binaryGet && op.kind != binaryTouch {
		p.flags = nil
	}
	if metaCode(text) == "VA" {
		p.value = reply[len(text)+len(crlf) : len(reply)-len(crlf)]
		p.numeric = op.kind == binaryArith
	}
}

// readFlags returns what the flags c, f and k of a reply to a meta command say.
func readFlags(text []byte) (cas uint64, flags, key []byte) {
	encoded := false
	word := nextWord(text, 0, len(text))
	for {
		word = nextWord(text, int(word.Hi), len(text))
		if word.Lo == word.Hi {
			break
		}
		switch token := text[word.Lo+1 : word.Hi]; text[word.Lo] {
		case 'c':
			cas, _, _ = parseNumber(token)
		case 'f':
			flags = token
		case 'k':
			key = token
		case 'b':
			encoded = true
		}
	}
	if encoded {
		key, _ = keyEncoding.AppendDecode(nil, key)
	}
	return cas, flags, key
}

// result returns what a code other than success means.
func (op *opcode) result(code string) BinaryStatus {
	switch {
	case code == "NS" && op.mode == "ME", code == "EX":
		return statusExists
	case code == "NS" && op.mode != "MR":
		return statusNotStored
	}
	return statusNotFound
}

// fault returns what an error means.
func (op *opcode) fault(text []byte) BinaryStatus {
	switch {
	case op.kind == binaryStat && bytes.HasPrefix(text, []byte("ERROR")), op.kind == binaryStat && bytes.HasPrefix(text, []byte("CLIENT")):
		return statusNotFound
	case bytes.HasPrefix(text, []byte("SERVER_ERROR object too large")):
		return StatusTooLarge
	case bytes.HasPrefix(bytes.ToLower(text), []byte("server_error out of memory")):
		return statusNoMemory
	case bytes.HasPrefix(text, []byte("SERVER_ERROR")):
		return statusTemporaryFault
	case bytes.HasPrefix(text, []byte("CLIENT_ERROR cannot increment or decrement")):
		return statusNotNumeric
	case bytes.HasPrefix(text, []byte("CLIENT_ERROR flush_all not allowed")):
		return StatusDenied
	case op.kind != binaryUnknown && string(text) == "ERROR", string(text)+crlf == NeedsMeta:
		return statusNotSupported
	}
	return StatusInvalid
}

// appendStatReply appends a packet for each statistic and an empty one behind them.
func appendStatReply(dst []byte, p packet, reply []byte) []byte {
	if bytes.HasPrefix(reply, []byte("PREFIX ")) { // stats detail dump
		p.key, p.value = []byte("detailed"), reply
		dst = p.append(dst)
	}
	for {
		p.key, p.value, reply = frontStat(reply)
		if p.key == nil {
			return p.append(dst)
		}
		dst = p.append(dst)
	}
}
