package intake_test

import (
	"errors"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"plumbline/internal/intake"
)

func aDraft() intake.Draft {
	return intake.Draft{Secret: intake.NewDraft(), At: "story", From: "check", Pack: "generic@1.2.0",
		Answers: url.Values{"place": {"zebraplace"}, "conduct": {"bribery"}}}
}

func TestADraftComesBackAsItWas(t *testing.T) {
	now := time.Date(2026, 3, 3, 22, 0, 0, 0, time.UTC)
	f := intake.NewForms([]byte("a key of the office"), func() time.Time { return now })
	d := aDraft()
	sealed, err := f.Seal("report", d)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(sealed, "zebra") || strings.Contains(sealed, d.Secret) {
		t.Error("what was written can be read in the page")
	}
	got, err := f.Open("report", sealed)
	if err != nil || !reflect.DeepEqual(got, d) {
		t.Errorf("it came back as %+v, %v", got, err)
	}
	if again, _ := f.Seal("report", d); again == sealed {
		t.Error("the same draft is sealed the same way twice")
	}
}

func TestADraftOpensNowhereElse(t *testing.T) {
	now := time.Date(2026, 3, 3, 22, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	f := intake.NewForms([]byte("a key of the office"), clock)
	sealed, err := f.Seal("report", aDraft())
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(sealed, ".")
	flip := []byte(parts[2])
	flip[len(flip)/2] ^= 1
	for _, tt := range []struct {
		name, kind, sealed string
	}{
		{"for another kind of report", "opinion", sealed},
		{"under other rules", "report", parts[0] + "." + "Z2VuZXJpY0AyLjAuMA" + "." + parts[2]},
		{"of another version", "report", "2." + parts[1] + "." + parts[2]},
		{"changed on the way", "report", parts[0] + "." + parts[1] + "." + string(flip)},
		{"cut off", "report", sealed[:len(sealed)-9]},
		{"with something behind it", "report", sealed + "A"},
		{"made up", "report", "short"},
		{"empty", "report", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if d, err := f.Open(tt.kind, tt.sealed); !errors.Is(err, intake.ErrDraft) {
				t.Errorf("it opened: %+v, %v", d, err)
			}
		})
	}
	if _, err := intake.NewForms([]byte("the key of another office"), clock).Open("report", sealed); !errors.Is(err, intake.ErrDraft) {
		t.Errorf("another office opened it: %v", err)
	}
}

func TestADraftIsTooOldAfterADay(t *testing.T) {
	now := time.Date(2026, 3, 3, 22, 0, 0, 0, time.UTC)
	f := intake.NewForms([]byte("a key of the office"), func() time.Time { return now })
	sealed, err := f.Seal("report", aDraft())
	if err != nil {
		t.Fatal(err)
	}
	now = now.Add(intake.DraftLives)
	if _, err := f.Open("report", sealed); err != nil {
		t.Errorf("after exactly a day: %v", err)
	}
	now = now.Add(time.Second)
	if _, err := f.Open("report", sealed); !errors.Is(err, intake.ErrOld) {
		t.Errorf("after more than a day: %v", err)
	}
}

// Ten words and a hundred make a page of the same size.
func TestTheSizeOfADraftTellsLittle(t *testing.T) {
	f := intake.NewForms([]byte("a key of the office"), time.Now)
	size := func(words int) int {
		d := aDraft()
		d.Answers.Set("story", strings.Repeat("word ", words))
		sealed, err := f.Seal("report", d)
		if err != nil {
			t.Fatal(err)
		}
		return len(sealed)
	}
	if size(0) != size(10) || size(10) != size(300) {
		t.Errorf("sizes %d, %d, %d", size(0), size(10), size(300))
	}
	sizes := map[int]bool{}
	for words := 0; words < 8000; words += 40 {
		sizes[size(words)] = true
	}
	if len(sizes) > 6 {
		t.Errorf("%d sizes from nothing to 40,000 characters", len(sizes))
	}
}

func FuzzDraft(f *testing.F) {
	forms := intake.NewForms([]byte("a key of the office"), func() time.Time { return time.Unix(1_800_000_000, 0) })
	sealed, err := forms.Seal("report", aDraft())
	if err != nil {
		f.Fatal(err)
	}
	f.Add("report", sealed)
	f.Add("report", "1.Z2VuZXJpY0AxLjIuMA.AAAA")
	f.Add("", "1..")
	f.Fuzz(func(t *testing.T, kind, s string) {
		d, err := forms.Open(kind, s)
		if err == nil && (s != sealed || kind != "report") {
			t.Errorf("something that was never sealed opened: %+v", d)
		}
	})
}
