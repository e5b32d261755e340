// The heads of bulk strings of usual lengths, read as one word. Requests and arrays are made of bulk strings, so this is what
// parsing them costs.

package resp

import "encoding/binary"

const (
	crlfWord = '\r' | '\n'<<8              // the end of a line
	nullWord = '-' | '1'<<8 | crlfWord<<16 // a null, behind its '$'
)

// frontBulk returns where the data of the bulk string at b[pos:] begins, and the offset behind its end, which may lie beyond b.
// Of a null the two are equal. They are 0 if it is neither, if its length has more than 4 digits, and so near to the end of b that
// there is no word to be read: then it takes a closer look.
func frontBulk(b []byte, pos int) (data, next int) {
	if len(b)-pos < 8 || b[pos] != '$' {
		return 0, 0
	}
	word := binary.LittleEndian.Uint64(b[pos:])
	first, second, third := uint(byte(word>>8))-'0', uint(byte(word>>16))-'0', uint(byte(word>>24))-'0'
	size := 0
	switch {
	case uint16(word>>32) == crlfWord && first-1 < 9 && second < 10 && third < 10:
		data, size = pos+6, int(first*100+second*10+third)
	case uint16(word>>24) == crlfWord && first-1 < 9 && second < 10:
		data, size = pos+5, int(first*10+second)
	case uint16(word>>16) == crlfWord && first < 10:
		data, size = pos+4, int(first)
	case uint32(word>>8) == nullWord:
		return pos + len(nullBulk), pos + len(nullBulk)
	default:
		fourth := uint(byte(word>>32)) - '0'
		if uint16(word>>40) != crlfWord || first-1 >= 9 || second > 9 || third > 9 || fourth > 9 {
			return 0, 0
		}
		data, size = pos+7, int(first*1000+second*100+third*10+fourth)
	}
	return data, data + size + len(crlf)
}
