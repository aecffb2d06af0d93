package pack

import (
	"strings"
	"testing"
)

// withQuestionnaires is the fair pack with a further file.
func withQuestionnaires(t testing.TB, text string) map[string][]byte {
	files := fairFiles(t)
	files["questions.yaml"] = []byte(text)
	return files
}

const twoQuestions = `questionnaires:
  - id: more
    label: {en: More}
    fields:
      - {id: hurt, type: yes-no, label: {en: Was anybody hurt?}}
      - {id: who, type: name, when: f.hurt, label: {en: Who was it?}}
      - {id: why, type: choice, list: why, when: "f.hurt && matter.kind == 'report'", label: {en: Why?}}
`

func TestAQuestionnaireBranchesOnWhatIsAnsweredInIt(t *testing.T) {
	p, problems := parse(withQuestionnaires(t, twoQuestions))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	q := p.Questionnaire("more")
	if q == nil || p.Questionnaire("less") != nil {
		t.Fatal("questionnaires are not found by their id")
	}
	for _, f := range q.Fields {
		if want := map[string]string{"hurt": "reporter", "who": "identity", "why": "reporter"}[f.ID]; f.Sealed != want {
			t.Errorf("%s is sealed to %q, want %q", f.ID, f.Sealed, want)
		}
	}
	asked := func(id string, answers map[string]any) bool {
		t.Helper()
		for i := range q.Fields {
			if q.Fields[i].ID == id {
				yes, err := p.Asked(p.Kind("report"), &q.Fields[i], &Env{Matter: EnvMatter{Kind: "report"}, F: answers})
				if err != nil {
					t.Fatal(err)
				}
				return yes
			}
		}
		t.Fatalf("no question %s", id)
		return false
	}
	yes, no := map[string]any{"hurt": true}, map[string]any{"hurt": false}
	if !asked("hurt", nil) || asked("who", nil) || asked("who", no) || !asked("who", yes) || !asked("why", yes) {
		t.Error("the wrong questions are asked")
	}
}

func TestAnActionAsksWhatTheQuestionnaireAsks(t *testing.T) {
	p, problems := parse(withQuestionnaires(t, twoQuestions))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	plain, answering := &Action{Fields: []Field{{ID: "own"}}}, &Action{Answers: "sent"}
	for _, tt := range []struct {
		name  string
		a     *Action
		clear map[string]any
		want  int
	}{
		{"a plain action asks its own fields", plain, map[string]any{"sent": "more"}, 1},
		{"nothing was sent", answering, nil, 0},
		{"the one that was sent", answering, map[string]any{"sent": "more"}, 3},
		{"one that the pack does not have", answering, map[string]any{"sent": "less"}, 0},
		{"something that is no name", answering, map[string]any{"sent": int64(3)}, 0},
	} {
		if got := len(p.FieldsOf(tt.a, tt.clear)); got != tt.want {
			t.Errorf("%s: %d questions, want %d", tt.name, got, tt.want)
		}
	}
}

func TestMistakesInQuestionnairesAreNamed(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"a misspelt question", strings.Replace(twoQuestions, "when: f.hurt,", "when: f.hrt,", 1), `did you mean "hurt"`},
		{"a value that is in no list", strings.Replace(twoQuestions, "f.hurt && matter.kind == 'report'", "f.why == 'nonsense'", 1), `there is no value of why "nonsense"`},
		{"no label in a language", strings.Replace(twoQuestions, "label: {en: Who was it?}", "label: {de: Wer?}", 1), "has no text in en"},
		{"something only the office can answer", strings.Replace(twoQuestions, "type: name", "type: account", 1), "a reporter cannot be asked"},
		{"a question about an official of the register", strings.Replace(twoQuestions, "type: name", "type: official", 1), "a reporter cannot be asked"},
		{"public answers", strings.Replace(twoQuestions, "type: name,", "type: name, public: true,", 1), "F13"},
		{"a list that is not there", strings.Replace(twoQuestions, "list: why", "list: whom", 1), `there is no list "whom"`},
		{"no questions", "questionnaires:\n  - {id: more, label: {en: More}}\n", "asks nothing"},
		{"twice", twoQuestions + strings.TrimPrefix(twoQuestions, "questionnaires:\n"), "stands in the pack twice"},
		{"two questions of one name", strings.Replace(twoQuestions, "id: who", "id: hurt", 1), "stands there twice"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, problems := parse(withQuestionnaires(t, tt.text))
			if !strings.Contains(problems.Error(), tt.want) {
				t.Errorf("got %v, want %q", problems, tt.want)
			}
		})
	}
}

// Whatever stands in a file of questionnaires, loading it says so and goes on.
func FuzzQuestionnaire(f *testing.F) {
	f.Add([]byte(twoQuestions))
	f.Add([]byte("questionnaires: [{id: a, label: {en: A}, fields: [{id: x, type: check, list: why, label: {en: X}, when: 'f.x[\"remit\"] == \"yes\"'}]}]"))
	f.Add([]byte("questionnaires: [{id: a, label: {en: A}, fields: [{id: x, type: number, max: 3, label: {en: X}, when: 'f.x > 2 || days_since(matter.received) < 4'}]}]"))
	f.Add([]byte("questionnaires: {id: a}"))
	f.Add([]byte("questionnaires: [[[[]]]]"))
	base := fairFiles(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		files := map[string][]byte{"questions.yaml": text}
		for name, b := range base {
			files[name] = b
		}
		r := CheckFiles("fuzz", files)
		if r.Pack == nil {
			if len(r.Problems) == 0 {
				t.Error("it was refused, and nobody says why")
			}
			return
		}
		env := &Env{Matter: EnvMatter{Kind: "report"}}
		for i := range r.Pack.Questionnaires {
			q := &r.Pack.Questionnaires[i]
			for j := range q.Fields {
				if q.Fields[j].Sealed == "" {
					t.Errorf("the answer to %s is not sealed", q.Fields[j].ID)
				}
				_, _ = r.Pack.Asked(r.Pack.Kind("report"), &q.Fields[j], env) // it may cost too much; it may not panic
			}
		}
	})
}
