package pack

import "testing"

func TestBundledPacksLoad(t *testing.T) {
	if len(BundledNames()) == 0 {
		t.Fatal("no pack is bundled")
	}
	for _, name := range BundledNames() {
		t.Run(name, func(t *testing.T) {
			p, err := Bundled(name)
			if err != nil {
				t.Fatal(err)
			}
			if p.Name != name {
				t.Errorf("the pack in packs/%s calls itself %s", name, p.Name)
			}
		})
	}
}

func TestBundledPacksAreFair(t *testing.T) {
	for _, name := range BundledNames() {
		t.Run(name, func(t *testing.T) {
			r, err := Report(name)
			if err != nil {
				t.Fatal(err)
			}
			if !r.OK() {
				t.Error(r.Text())
			}
			t.Log(r.Text())
		})
	}
}
