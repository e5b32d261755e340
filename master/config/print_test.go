// What is printed is read back as the same configuration, whatever the text that it came from.

package config

import (
	"reflect"
	"testing"
)

// bare returns the configuration without the traces of the text that it came from.
func bare(c *Config) *Config {
	b := &Config{Global: c.Global}
	b.Global.given = nil
	for _, p := range c.Pools {
		p.Line, p.at, p.given, p.placed = 0, place{}, nil, nil
		b.Pools = append(b.Pools, p)
	}
	return b
}

func roundTrip(t *testing.T, c *Config) {
	t.Helper()
	text := printed(t, c)
	again, err := parse("printed", []byte(text), resolveTest)
	if err != nil {
		t.Fatalf("printed configuration is refused: %v\n%s", err, text)
	}
	if got, want := bare(again), bare(c); !reflect.DeepEqual(got, want) {
		t.Fatalf("printed configuration is another:\n%+v\nwant:\n%+v\n%s", got, want, text)
	}
}

// Every beginning of a file is either refused with problems or means something that can be printed.
func TestEveryPrefix(t *testing.T) {
	accepted, refused := 0, 0
	files := glob(t, "testdata/nutcracker/layout.yml", "testdata/nutcracker/unix-sockets.yml", "testdata/good/*")
	for _, file := range files {
		text := readFile(t, file)
		for n := range text {
			c, err := parse("prefix", text[:n], resolveTest)
			if err == nil {
				accepted++
				roundTrip(t, c)
				continue
			}
			refused++
			if problems, ok := err.(Problems); !ok || len(problems) == 0 {
				t.Fatalf("%s, %d bytes: error is %#v", file, n, err)
			}
		}
	}
	if accepted == 0 || refused == 0 {
		t.Errorf("%d prefixes were accepted and %d refused", accepted, refused)
	}
}

func TestQuote(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"127.0.0.1:6379:1 redis1", "127.0.0.1:6379:1 redis1"},
		{"/tmp/a-b_c.sock 0660", "/tmp/a-b_c.sock 0660"},
		{"", `""`},
		{"{}", `"{}"`},
		{"a: b", `"a: b"`},
		{"a:", `"a:"`},
		{"a #b", `"a #b"`},
		{"a ", `"a "`},
		{"-a", `"-a"`},
		{"a\tb", `"a\tb"`},
		{"é", `"é"`},
	} {
		if got := quote(test.text); got != test.want {
			t.Errorf("quote(%q) = %s, want %s", test.text, got, test.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, file := range append(goodFiles(f), badFiles(f)...) {
		f.Add(readFile(f, file))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := parse("fuzz", text, resolveTest)
		if err != nil {
			if problems, ok := err.(Problems); !ok || len(problems) == 0 || problems.Error() == "" {
				t.Fatalf("error is %#v", err)
			}
			return
		}
		c.Warnings(Machine{Workers: 4, Descriptors: 64})
		roundTrip(t, c)
	})
}
