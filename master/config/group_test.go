package config

import "testing"

func TestControlGroup(t *testing.T) {
	for text, want := range map[string]Group{"root": {"root", 0}, "0": {"0", 0}, "1234": {"1234", 1234}} {
		c := parseTest(t, "w", "global:\n  control_group: "+text+"\n"+poolAlpha+oneServer)
		if c.Global.ControlGroup != want {
			t.Errorf("%s: %+v", text, c.Global.ControlGroup)
		}
	}
	if g := parseTest(t, "w", poolAlpha+oneServer).Global.ControlGroup; g != (Group{}) {
		t.Errorf("without the key: %+v", g)
	}
}
