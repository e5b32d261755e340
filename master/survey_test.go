// Rounds in transcripts: the loop passes questions and answers on, whoever ends meanwhile.

package master

import (
	"strings"
	"testing"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/survey"
	"github.com/pinion-proxy/pinion/worker/link"
)

// survey has somebody ask all workers.
func (f *machine) survey(t *testing.T, options []string) {
	reply := make(chan survey.Begun, 1)
	r := &survey.Round{Inquiry: survey.Inquiry{Question: link.QuestionBody{What: "weather"}}, Begun: reply}
	for _, o := range options {
		switch name, value, _ := strings.Cut(o, "="); name {
		case "by":
			r.By = &admin.Asker{PIDs: []int{number(t, value)}}
		case "pool":
			r.Pool = value
		default:
			t.Fatalf("unknown option %q", o)
		}
	}
	f.master.beginRound(r)
	begun := <-reply
	f.printf("survey: %q, %v are asked, %d rounds are open", begun.Error, begun.Asked, len(f.master.surveys.open))
}
