// The run as a whole: start servers, run every library's program, judge, print.

package main

import (
	"flag"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

func main() {
	var (
		pinion   = flag.String("pinion", "bin/pinion", "the program under test")
		work     = flag.String("work", "bin/compat", "where run.sh has built the programs, and logs go")
		known    = flag.String("known", "packaging/compat/known.txt", "failures that have a reason")
		document = flag.String("document", "", "write the table there as a document, too")
		reload   = flag.Duration("reload", 0, "have Pinion reload after pauses of this length, all the time")
		only     = flag.String("only", "*", "libraries to run, as a pattern of their names, or several with commas")
	)
	flag.Parse()
	// The kernel ends our children when the thread that has started them ends: this one lives as long as we do.
	runtime.LockOSThread()
	folder, err := filepath.Abs(*work)
	good := false
	if err == nil {
		good, err = run(*pinion, folder, *known, *document, *only, *reload)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "compat:", err)
	}
	if err != nil || !good {
		os.Exit(1)
	}
}

// run reports whether nothing has failed but what is known to.
func run(pinion, work, knownFile, document, only string, reload time.Duration) (good bool, err error) {
	excuses, err := readKnown(knownFile)
	if err != nil {
		return false, err
	}
	chosen := choose(only)
	if len(chosen) == 0 {
		return false, fmt.Errorf("no library is called %q", only)
	}
	scene, err := start(pinion, work)
	defer scene.end()
	if err != nil {
		return false, err
	}
	scene.encrypted.endIfInterrupted()
	if reload > 0 {
		defer scene.reloadFor(reload)()
	}
	var all []outcome
	for _, l := range chosen {
		if err := scene.empty(); err != nil {
			return false, err
		}
		o := l.runEverywhere(scene, work)
		o.judge(excuses)
		fmt.Print(o.line())
		all = append(all, o)
	}
	good = summary(os.Stdout, all, only == "*", excuses)
	if document != "" {
		err = os.WriteFile(document, []byte(page(scene, all)), 0o644)
	}
	return good, err
}

func choose(only string) (chosen []library) {
	for _, l := range libraries {
		for pattern := range strings.SplitSeq(only, ",") {
			if ok, _ := path.Match(pattern, l.name); ok {
				chosen = append(chosen, l)
				break
			}
		}
	}
	return chosen
}
