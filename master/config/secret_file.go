// Secrets that stand in a file of their own: a credential of systemd, a mounted secret, or any file that fewer people read.

package config

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode"
)

const (
	// credentialsVariable is the variable in which systemd tells a unit where its credentials are.
	credentialsVariable = "CREDENTIALS_DIRECTORY"
	// credentialsOfUnit is where they are, for who checks the configuration outside of the unit.
	credentialsOfUnit = "/run/credentials/pinion.service"
)

// secretPath returns the path of a secret. A name without a slash is that of a credential of systemd.
func secretPath(name string) (string, *flaw) {
	if filepath.IsAbs(name) {
		return name, nil
	}
	if strings.Contains(name, "/") {
		return "", &flaw{message: "is no absolute path", hint: "write the whole path, or only the name of a credential (LoadCredential= of systemd)"}
	}
	return filepath.Join(cmp.Or(os.Getenv(credentialsVariable), credentialsOfUnit), name), nil
}

// unreadable says what to do about a file, named so in the configuration, that cannot be read.
func unreadable(name, path string, err error) *flaw {
	if name != path {
		return &flaw{message: fmt.Sprintf("cannot be read at %s: %v", path, err), hint: credentialHint(name)}
	}
	return &flaw{message: "cannot be read: " + err.Error(), hint: "correct the path, or let Pinion's user read it"}
}

func credentialHint(name string) string {
	return fmt.Sprintf("a name without a slash is a credential of systemd: add LoadCredential=%s:/path to the unit, or write the whole path of a file", name)
}

// passwordFile is what a section keeps of a file with a password.
type passwordFile struct {
	files    *[]File
	name     *string // as configured; empty: there is none
	password *string
}

// passwordIn is the value of a key that names a file with the password that key would be given otherwise.
func passwordIn(key string, at func(d *draft) passwordFile) value {
	return value{
		get: func(d *draft) []string { return unlessEmpty(*at(d).name) },
		set: func(d *draft, _ *Key, w word) *flaw {
			p := at(d)
			if d.alone {
				*p.name = w.text
				_, f := secretPath(w.text)
				return f
			}
			secret, file, f := readSecret(w.text, maxPasswordBytes)
			if f != nil {
				return f
			}
			*p.files, *p.name = append(*p.files, file), w.text
			if !d.gives(key) {
				*p.password = secret
			}
			return nil
		},
	}
}

// unlessInFile returns the password that the configuration itself has.
func (p passwordFile) unlessInFile() []string {
	if *p.name != "" {
		return nil
	}
	return unlessEmpty(*p.password)
}

// readSecret returns the secret in a file, without the end of its line, and which file that is. Nothing of the secret is in the flaw.
func readSecret(name string, most int) (secret string, file File, f *flaw) {
	path, f := secretPath(name)
	if f != nil {
		return "", file, f
	}
	text, err := readAtMost(path, most+len("\r\n"))
	if err != nil {
		return "", file, unreadable(name, path, err)
	}
	secret = strings.TrimRight(string(text), "\r\n")
	switch {
	case secret == "":
		f = &flaw{message: "is an empty file", hint: "write the password there, on one line"}
	case len(secret) > most:
		f = &flaw{message: fmt.Sprintf("has more than %d bytes", most), hint: "write the password there, and nothing else"}
	case strings.ContainsFunc(secret, unicode.IsControl):
		f = &flaw{message: "has more than one line, or control characters", hint: "write the password there, on one line, and nothing else"}
	}
	return secret, File{path, sha256.Sum256(text)}, f
}

// readAtMost returns what is in a regular file, or one byte more than most of it. Of an error it returns the cause.
func readAtMost(path string, most int) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		return nil, errors.New("is no file") // a FIFO would keep the master waiting
	}
	var file *os.File
	if err == nil {
		file, err = os.Open(path)
	}
	if err != nil {
		var cause *fs.PathError
		if errors.As(err, &cause) {
			err = cause.Err
		}
		return nil, err
	}
	defer file.Close()
	var text bytes.Buffer
	_, err = io.Copy(&text, io.LimitReader(file, int64(most)+1))
	return text.Bytes(), err
}
