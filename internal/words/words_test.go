package words

import "testing"

func TestQuick(t *testing.T) {
	b, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range b.Speakers() {
		t.Log(s.Name(), s.Date("2019-05-17"), s.Date("2019-05"), s.Date("2019"), s.Number(1234567), s.Percent(0.019), s.Percent(.83), s.N("words.days", 1), s.N("words.days", 3), s.Compact(123456))
	}
	t.Log(b.Choose("", "zh-TW").Lang(), b.Choose("fr", "de;q=1, zh-CN").Lang(), b.Choose("xx").Lang(), b.Choose("en-GB").Lang(), b.Choose("zh-HK,en;q=.5").Lang())
	t.Log(b.Missing())
}
