// Package check is what all programs in Go share: they try one thing after the other, and say what came of each.
package check

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"reflect"
	"runtime/debug"
	"strings"
	"sync"
	"time"
)

// limit is how long one check may take.
const limit = 20 * time.Second

// Address is where the server is, as host:port.
func Address() string {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: PROGRAM HOST PORT")
		os.Exit(2)
	}
	return net.JoinHostPort(os.Args[1], os.Args[2])
}

// Variant is the manner of use that is asked for, or nothing.
func Variant() string { return os.Getenv("COMPAT_VARIANT") }

// Version prints which version of a module this program has been built with.
func Version(module string) {
	info, _ := debug.ReadBuildInfo()
	for _, m := range info.Deps {
		if m.Path == module {
			fmt.Println("version", m.Version)
		}
	}
}

// TLS is how to speak it, or nil.
func TLS() *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS13}
	switch os.Getenv("COMPAT_TLS") {
	case "":
		return nil
	case "1.2":
		c.MinVersion, c.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	case "certificate":
		pair, err := tls.LoadX509KeyPair(os.Getenv("COMPAT_CERT"), os.Getenv("COMPAT_KEY"))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c
}

// wait has everything of Pinion replaced under the connections that are open now, where TLS is spoken.
var wait = sync.OnceFunc(func() {
	if TLS() != nil {
		fmt.Println("waits")
		bufio.NewReader(os.Stdin).ReadString('\n')
	}
})

// Do tries one thing. After the first that works Pinion is replaced.
func Do(name string, f func() error) {
	result := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				result <- fmt.Errorf("panic: %v", p)
			}
		}()
		result <- f()
	}()
	var err error
	select {
	case err = <-result:
	case <-time.After(limit):
		err = fmt.Errorf("has not ended within %v", limit)
	}
	if err != nil {
		fmt.Printf("FAIL %s: %s\n", name, strings.ReplaceAll(err.Error(), "\n", " "))
		return
	}
	fmt.Println("ok", name)
	wait()
}

// Done says that no check is missing.
func Done() { fmt.Println("done") }

// Equal returns an error unless err is nil and got is want.
func Equal(what string, got, want any, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if !reflect.DeepEqual(got, want) {
		return fmt.Errorf("%s: got %v, want %v", what, got, want)
	}
	return nil
}

// First returns the first error.
func First(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
