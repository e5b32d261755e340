// That no row of the command table is without its answer.

package core

import (
	"testing"

	"github.com/pinion-proxy/pinion/codec/resp"
)

func TestLocalCommandsHaveAnswers(t *testing.T) {
	for _, cmd := range resp.Commands() {
		rows := []*resp.Command{cmd}
		for i := range cmd.Subs {
			rows = append(rows, &cmd.Subs[i])
		}
		for _, row := range rows {
			if row.Route == resp.Local && localAnswers[row.Local] == nil {
				t.Errorf("nothing answers %s", row.Name)
			}
		}
	}
}
