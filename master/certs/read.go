// Files in PEM: read once, bounded, and only what belongs in them.

package certs

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"strings"
	"time"
)

// mostBytes bounds a file. That of a system's authorities has a quarter of a megabyte.
const mostBytes = 4 << 20

// Flaw is what is wrong with a file, and what would be right. Both go on where the file was named.
type Flaw struct{ Message, Hint string }

func (f *Flaw) Error() string { return f.Message + "; " + f.Hint }

// File is one that was read.
type File struct {
	Sum   [sha256.Size]byte // of the content
	All   []*x509.Certificate
	PEM   []byte // of these
	Key   []byte // PEM of the first private key
	Open  bool   // users who are neither owner nor of the group may read it
	other string // kind of a block that is neither; empty: there is none
}

const (
	certificateBlock = "CERTIFICATE"
	keyBlock         = "PRIVATE KEY" // at the end of the name of each kind of key
)

// Read reads a file. The content is cleared from memory once its parts have been taken.
func Read(path string) (*File, error) {
	text, mode, err := readBounded(path)
	if err != nil {
		return nil, unreadable(err)
	}
	defer clear(text)
	if len(text) == 0 {
		return nil, &Flaw{"is empty", "put the PEM of what the key asks for there: a certificate or a private key"}
	}
	f := &File{Sum: sha256.Sum256(text), Open: mode&0o004 != 0}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if err := f.take(block); err != nil {
			return nil, err
		}
	}
	if len(f.All) == 0 && f.Key == nil && f.other == "" {
		return nil, &Flaw{"is not PEM: it has no line -----BEGIN CERTIFICATE----- or the like", "convert it, as openssl x509 -inform der -in FILE does for a certificate"}
	}
	return f, nil
}

func (f *File) take(block *pem.Block) error {
	switch {
	case block.Type == certificateBlock:
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return &Flaw{"has a certificate that cannot be read: " + strings.TrimPrefix(err.Error(), "x509: "), "have it issued again"}
		}
		f.All = append(f.All, c)
		f.PEM = append(f.PEM, pem.EncodeToMemory(&pem.Block{Type: certificateBlock, Bytes: block.Bytes})...)
	case strings.HasSuffix(block.Type, keyBlock) && f.Key == nil:
		if strings.HasPrefix(block.Type, "ENCRYPTED") || strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED") {
			return &Flaw{"has a private key that is locked with a passphrase, which nobody could type", "unlock it with openssl pkey -in FILE -out OTHER, and see that only Pinion's user may read that"}
		}
		f.Key = pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes})
		clear(block.Bytes)
	case !strings.HasSuffix(block.Type, "PARAMETERS"): // openssl writes those of a curve before the key
		f.other = block.Type
	}
	return nil
}

func readBounded(path string) (text []byte, mode fs.FileMode, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() { // opening a pipe would wait
		return nil, 0, &Flaw{"is no file", "name one that has PEM in it"}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	text, err = io.ReadAll(io.LimitReader(f, mostBytes+1))
	if len(text) > mostBytes {
		err = &Flaw{fmt.Sprintf("is longer than %d MiB", mostBytes>>20), "name one that has PEM in it, and nothing else"}
	}
	return text, info.Mode(), err
}

// unreadable says why a file cannot be read, and by whom.
func unreadable(err error) error {
	var f *Flaw
	var cause *fs.PathError
	switch {
	case errors.As(err, &f):
		return f
	case errors.Is(err, fs.ErrNotExist):
		return &Flaw{"is not there", "correct the path, or put the file there"}
	case errors.Is(err, fs.ErrPermission):
		return &Flaw{"cannot be read by " + me() + ", who asks now", "give the file to the user or the group that Pinion runs as, and every directory on its path the right x"}
	case errors.As(err, &cause):
		err = cause.Err
	}
	return &Flaw{"cannot be read: " + err.Error(), "see what is there"}
}

func me() string {
	if u, err := user.Current(); err == nil {
		return "user " + u.Username
	}
	return fmt.Sprintf("user %d", os.Getuid())
}

// Name returns whose certificate it is, shortly.
func Name(c *x509.Certificate) string {
	switch {
	case c.Subject.CommonName != "":
		return "CN=" + c.Subject.CommonName
	case len(c.DNSNames) > 0:
		return c.DNSNames[0]
	case len(c.IPAddresses) > 0:
		return c.IPAddresses[0].String()
	}
	return "serial number " + c.SerialNumber.String()
}

// Signer is who has signed a certificate.
type Signer struct {
	Name string
	Key  string // what the certificate says of its key, not for people; empty: nothing
}

// Issuer returns who has signed it.
func Issuer(c *x509.Certificate) Signer {
	return Signer{c.Issuer.String(), string(c.AuthorityKeyId)}
}

// Day writes a time as operators compare it.
func Day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }
