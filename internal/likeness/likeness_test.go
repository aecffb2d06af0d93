package likeness_test

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"

	"plumbline/internal/likeness"
	"plumbline/internal/ref"
	"plumbline/internal/store"
	"plumbline/internal/testing/data"
	"plumbline/internal/testing/world"
)

// Words of made-up reports, so that no two stories share more than such stories do.
var (
	english = strings.Fields(`officer told me the station desk on monday evening money envelope cash asked paid released brother cell night
		court clerk file lost hearing postponed lawyer waited hour corridor camera broken said nothing would be written down witness
		signed paper without reading gate guard hit stick shouted bus driver licence stopped again third time same man blue car
		warehouse keys prison ward medicine refused doctor complaint torn threw floor office second chief brother-in-law contract`)
	glue    = strings.Fields(`the and to of in was that he she it for on with they at by from had not but`)
	chinese = []rune(`警察分局民警收受现金信封放人要求家属晚上拘留室律师等待走廊摄像头损坏笔录签字未读门卫棍棒打人喊叫司机驾照拦车第三次同一男子蓝色汽车仓库钥匙监狱病房药品拒绝医生投诉撕毁地板办公室副局长亲戚合同法院书记员卷宗丢失开庭推迟法官吃饭当事人转账银行`)
)

func story(r *rand.Rand, lang string, words int) []string {
	out := make([]string, 0, words)
	for i := range words {
		switch {
		case lang == "zh":
			out = append(out, string(chinese[r.IntN(len(chinese))]))
		case i%3 == 2:
			out = append(out, glue[r.IntN(len(glue))])
		default:
			out = append(out, english[r.IntN(len(english))])
		}
	}
	return out
}

func tell(words []string, lang string) string {
	if lang == "zh" {
		return strings.Join(words, "")
	}
	return strings.Join(words, " ")
}

// retold is the story as somebody tells it again: a part left out, another part added, written otherwise.
// Of five parts as many as keep are kept.
func retold(r *rand.Rand, words []string, lang string, keep int) string {
	var out []string
	i := 0
	for part := range slices.Chunk(words, 6) {
		if i++; i%5 < keep {
			out = append(out, part...)
		} else {
			out = append(out, story(r, lang, len(part))...)
		}
	}
	text := tell(out, lang)
	if lang == "zh" {
		return "，" + strings.ReplaceAll(text, string(chinese[0]), string(chinese[0])+"。 ")
	}
	return strings.ToUpper(text[:len(text)/2]) + " -- " + text[len(text)/2:] + "!"
}

func TestSimilarTextsAreFoundAndOthersAreNot(t *testing.T) {
	x := likeness.New([]byte("a key"))
	for _, lang := range []string{"en", "zh"} {
		t.Run(lang, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
				n := rapid.IntRange(60, 400).Draw(t, "words")
				words := story(r, lang, n)
				own := x.Sketch([]string{tell(words, lang)})
				if got := likeness.Alike(own, x.Sketch([]string{retold(r, words, lang, 5)})); got < 0.75 {
					t.Fatalf("the same words in other letters are alike by %.2f", got)
				}
				if got := likeness.Alike(own, x.Sketch([]string{retold(r, words, lang, 4)})); got < likeness.Least {
					t.Fatalf("four fifths of the same words are alike by %.2f", got)
				}
				if got := likeness.Alike(own, x.Sketch([]string{tell(story(r, lang, n), lang)})); got >= likeness.Least {
					t.Fatalf("two stories are alike by %.2f", got)
				}
				if got := likeness.Alike(own, likeness.New([]byte("another key")).Sketch([]string{tell(words, lang)})); got > 0.05 {
					t.Fatalf("who has another key finds the text by %.2f", got)
				}
			})
		})
	}
}

// What really gets written: short descriptions of misconduct by prison officers, as released.
func TestRealDescriptions(t *testing.T) {
	f, err := os.Open(data.File(t, "complaints/ny-prisons/discipline_2020-2022.csv.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(z).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	at := slices.Index(rows[0], "Field0")
	seen := map[string]bool{}
	var texts []string
	for _, row := range rows[1:] {
		if s := strings.Join(strings.Fields(row[at]), " "); len(strings.Fields(s)) >= 18 && !seen[s] {
			seen[s] = true
			texts = append(texts, s)
		}
	}
	if len(texts) < 100 {
		t.Fatalf("only %d descriptions", len(texts))
	}
	x := likeness.New([]byte("a key"))
	r := rand.New(rand.NewPCG(1, 2))
	found, wrong, pairs := 0, 0, 0
	sketches := make([]likeness.Sketch, len(texts))
	for i, s := range texts {
		sketches[i] = x.Sketch([]string{s})
		words := strings.Fields(strings.ToLower(s))
		words = slices.Delete(words, 3, 4) // one word is gone, and two stand at the end
		again := strings.Join(words, " ") + " somebody told"
		if likeness.Alike(sketches[i], x.Sketch([]string{again})) >= likeness.Least {
			found++
		}
	}
	for range 20_000 {
		i, j := r.IntN(len(texts)), r.IntN(len(texts))
		if i == j {
			continue
		}
		pairs++
		if likeness.Alike(sketches[i], sketches[j]) >= likeness.Least {
			wrong++
		}
	}
	t.Logf("%d descriptions: %d found again when retold; %d of %d pairs of different ones are called alike", len(texts), found, wrong, pairs)
	if found < len(texts)*95/100 || wrong > pairs/100 {
		t.Errorf("found %d of %d, wrong %d of %d", found, len(texts), wrong, pairs)
	}
}

func TestShortTextsAreLikeNothing(t *testing.T) {
	x := likeness.New([]byte("a key"))
	for _, s := range []string{"", "He took money.", "收钱了", "!!! ??? …", strings.Repeat("again ", 500)} {
		if x.Sketch([]string{s}) != nil {
			t.Errorf("%.30q has a sketch", s)
		}
	}
	if likeness.Alike(nil, nil) != 0 {
		t.Error("nothing is like nothing")
	}
}

func TestTheIndex(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		x := likeness.New([]byte("a key that is not in the database"))
		r := rand.New(rand.NewPCG(7, 7))
		en, zh := story(r, "en", 150), story(r, "zh", 200)
		texts := map[ref.MatterID]string{
			1: tell(en, "en"), 2: retold(r, en, "en", 4), 3: tell(story(r, "en", 150), "en"),
			4: tell(zh, "zh"), 5: retold(r, zh, "zh", 4), 6: tell(story(r, "zh", 200), "zh"), 7: "too short",
		}
		note := func(id ref.MatterID, text string) {
			t.Helper()
			s := x.Sketch([]string{text})
			if err := db.Tx(ctx, func(tx *store.Tx) error { return x.Note(ctx, tx, id, s) }); err != nil {
				t.Fatal(err)
			}
		}
		for id, text := range texts {
			note(id, text)
			note(id, text) // a filing that is repeated changes nothing
		}
		find := func(id ref.MatterID) (out []ref.MatterID) {
			t.Helper()
			err := db.Read(ctx, func(tx *store.Tx) error {
				out = nil
				found, err := x.Find(ctx, tx, id, 10)
				for _, m := range found {
					out = append(out, m.Matter)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			return out
		}
		if n, err := x.Spread(ctx, db); err != nil || n != 6 {
			t.Fatalf("%d sketches spread, %v", n, err)
		}
		if n, err := x.Spread(ctx, db); err != nil || n != 0 {
			t.Fatalf("%d sketches spread twice, %v", n, err)
		}
		for id, want := range map[ref.MatterID][]ref.MatterID{1: {2}, 2: {1}, 3: nil, 4: {5}, 5: {4}, 6: nil, 7: nil, 99: nil} {
			if got := find(id); !slices.Equal(got, want) {
				t.Errorf("like %d are %v, want %v", id, got, want)
			}
		}
		err := db.Read(ctx, func(tx *store.Tx) error {
			groups, err := x.Groups(ctx, tx, []ref.MatterID{1, 2, 3, 4, 5, 6, 7})
			if err == nil && fmt.Sprint(groups) != "[[4 5] [1 2]]" {
				t.Errorf("groups %v", groups)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}

		// A thief of the database reads nothing in it, and cannot test a guess without the key.
		err = db.Read(ctx, func(tx *store.Tx) error {
			rows, err := tx.Query(ctx, `SELECT sketch FROM likeness`)
			if err != nil {
				return err
			}
			kept, err := store.Collect(rows, func(r *store.Rows) (b []byte, err error) { return b, r.Scan(&b) })
			if err != nil {
				return err
			}
			guess := likeness.New([]byte("a guess")).Sketch([]string{texts[1]})
			for _, b := range kept {
				for _, text := range texts {
					for _, w := range strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) }) {
						if len(w) > 3 && bytes.Contains(b, []byte(w)) {
							t.Errorf("the index holds %q", w)
						}
					}
				}
				if got := likeness.Alike(guess, b); got > 0.05 {
					t.Errorf("a guess without the key is alike by %.2f", got)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}

		// What is purged is gone.
		forget := func(id ref.MatterID) {
			t.Helper()
			if err := db.Tx(ctx, func(tx *store.Tx) error { return x.Forget(ctx, tx, id) }); err != nil {
				t.Fatal(err)
			}
		}
		for id := range texts {
			forget(id)
			forget(id)
		}
		for _, table := range []string{"likeness", "likeness_band"} {
			err := db.Read(ctx, func(tx *store.Tx) error {
				var n int
				err := tx.QueryRow(ctx, `SELECT count(*) FROM `+table).Scan(&n)
				if n != 0 {
					t.Errorf("%d rows are left in %s", n, table)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	})
}

// Arbitrary text has a sketch of one size or none, always the same, and is as alike to itself as can be.
func FuzzLikeness(f *testing.F) {
	for _, s := range []string{"", "The officer took money from me at the gate on Monday evening and nobody said anything.", "民警在派出所门口收了我的钱，当时没有人说话。",
		"\x00\xff\xfe", "ﬁ ﬂ ①②③ Ａ Ｂ", "e\u0301 é \u200d\u00ad", strings.Repeat("a b c d e f g h i j ", 100)} {
		f.Add(s, "second field")
	}
	x := likeness.New([]byte("key"))
	f.Fuzz(func(t *testing.T, a, b string) {
		s := x.Sketch([]string{a, b})
		if !bytes.Equal(s, x.Sketch([]string{a, b})) {
			t.Fatal("two sketches of one text differ")
		}
		if s == nil {
			return
		}
		if got := likeness.Alike(s, s); got != 1 {
			t.Fatalf("a text is like itself by %v", got)
		}
		if got := likeness.Alike(s, x.Sketch([]string{b, a})); got < 0.999 {
			t.Fatalf("the order of the answers matters: %v", got)
		}
		if got := likeness.Alike(s, x.Sketch([]string{strings.ToUpper(a), b})); got > 1 {
			t.Fatalf("alike by %v", got)
		}
	})
}
