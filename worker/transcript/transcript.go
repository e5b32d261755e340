// Package transcript plays the scripts in testdata that show what a part of the program does: a line that begins with "> "
// happens, and the lines below it are everything that anyone got to see of it. It is for tests; master, worker and handoff
// each bring a stage of their own. It also tells what of an example in testdata got lost.
package transcript

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Update tells that what the scripts show is to be written anew; somebody has to read the difference then.
var Update = flag.Bool("update", false, "write the transcripts in testdata anew")

// Stage carries out one line, without its "> ", and returns what was seen of it: lines, each with its end.
type Stage func(line string) (seen string)

// Run plays each script in testdata on a stage of its own, as a subtest, and fails where it shows something else now.
func Run(t *testing.T, open func(t *testing.T) Stage) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("transcripts: %v, %v", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := Play(string(want), open(t))
			if *Update && !t.Failed() {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if got != string(want) && !*Update {
				t.Errorf("transcript differs; got:\n%s", got)
			}
		})
	}
}

// Play returns the transcript of what happens in a script. Comments and empty lines are kept.
func Play(script string, stage Stage) string {
	var out strings.Builder
	for line := range strings.Lines(script) {
		happens, ok := strings.CutPrefix(line, "> ")
		switch {
		case ok:
			out.WriteString(line)
			out.WriteString(stage(happens))
		case line == "\n", strings.HasPrefix(line, "#"):
			out.WriteString(line)
		}
	}
	return out.String()
}
