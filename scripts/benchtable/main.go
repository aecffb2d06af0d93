// Command benchtable runs the benchmarks of the project and prints what they promise as one table: ratios measured within
// one run, with the goal beside them where there is one.
//
// Figures of different machines or moments do not compare; ratios of one run do. The calibration line says how fast
// this machine was meanwhile. Exit code 1 means that a benchmark failed; a missed goal is
// shown and left to the reader.
package main

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// A goal is what a metric of a benchmark should be.
type goal struct {
	bench, unit, what string
	atMost            bool
	value             float64
}

var goals = []goal{
	{"Import", "times-plain-inserts", "import against inserting as many rows with no checks", true, 3},
	{"File", "x-faster", "reports filed by 64 writers, group commit against one each", false, 5},
	{"FileLogged", "times-unlogged", "filing with the public log on against off", true, 1.15},
	{"Append", "ratio", "entries appended, numbered and logged against plain inserts of the same rows", false, 0.5},
	{"Flood", "honest-p99-s", "seconds to file honestly while 10,000 bogus filings a minute come from the same side", true, 2},
	{"Upload", "peak-MB", "memory of the whole process while 20 files of 200 MB stream in", true, 200},
	{"SealedFiling", "ratio", "sealed filing over HTTP against the smaller of group commit and key wrapping alone", false, 0.5},
	{"SealedSearch", "later-s", "seconds to search what is sealed in 10,000 reports, on one processor", true, 1.5},
	{"NationalFigure", "ratio", "a national figure at 1,000,000 against 10,000 allegations", true, 1.5},
}

// packages hold the benchmarks that promise something, those that take minutes last.
var packages = []string{"./internal/store", "./internal/journal", "./internal/matter", "./internal/ledger", "./internal/transfer", "./internal/tally", "./internal/web"}

type result struct {
	bench  string
	metric string
	value  string
}

func main() {
	fmt.Printf("%s, %d processors, SHA-256 %.0f MB/s on one\n", runtime.Version(), runtime.NumCPU(), calibrate())
	if len(os.Args) > 1 {
		packages = os.Args[1:]
	}
	fmt.Printf("\n"+form, "benchmark", "value", "unit", "goal")
	fmt.Printf(form, strings.Repeat("-", 34), strings.Repeat("-", 14), strings.Repeat("-", 22), strings.Repeat("-", 40))
	failed, missed := false, false
	for _, pkg := range packages {
		fmt.Fprintf(os.Stderr, "%s …\n", pkg)
		if err := run(pkg, func(r result) { missed = print(r) || missed }); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", pkg, err)
			failed = true
		}
	}
	if missed {
		fmt.Println("\nA goal was missed. Was anything else running? The calibration above says how fast the machine was.")
	}
	if failed {
		os.Exit(1)
	}
}

// run runs the benchmarks of a package, each once, and shows each result as it comes: they repeat what they measure
// themselves.
func run(pkg string, show func(result)) error {
	cmd := exec.Command("go", "test", "-run", "^$", "-bench", ".", "-benchtime", "1x", "-timeout", "30m", pkg)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		line := lines.Text()
		if !strings.HasPrefix(line, "Benchmark") {
			if strings.HasPrefix(line, "---") || strings.HasPrefix(line, "    ") || strings.HasPrefix(line, "FAIL") {
				fmt.Fprintln(os.Stderr, line)
			}
			continue
		}
		for _, r := range parse(strings.Fields(line)) {
			show(r)
		}
	}
	return cmd.Wait()
}

// parse reads "BenchmarkX/sub-2 1 123 ns/op 4.5 ratio". The time of an operation is left out where the benchmark has
// metrics of its own: it is then the time of the whole comparison.
func parse(f []string) []result {
	if len(f) < 4 {
		return nil
	}
	name := strings.TrimPrefix(f[0], "Benchmark")
	if i := strings.LastIndex(name, "-"); i > 0 {
		name = name[:i]
	}
	var out []result
	for i := 2; i+1 < len(f); i += 2 {
		if f[i+1] == "ns/op" && (len(f) > 4 || f[i] == "0") {
			continue
		}
		out = append(out, result{name, f[i+1], f[i]})
	}
	return out
}

const form = "%-34s %14s  %-22s %s\n"

// print writes a line of the table and tells whether its goal was missed.
func print(r result) (missed bool) {
	said := ""
	for _, g := range goals {
		base, _, _ := strings.Cut(r.bench, "/")
		if g.bench != base || g.unit != r.metric {
			continue
		}
		v, err := strconv.ParseFloat(r.value, 64)
		word, met := "at least", err == nil && v >= g.value
		if g.atMost {
			word, met = "at most", err == nil && v <= g.value
		}
		mark := "met"
		if !met {
			mark, missed = "MISSED", true
		}
		said = fmt.Sprintf("%s %g: %s (%s)", word, g.value, mark, g.what)
	}
	fmt.Printf(form, r.bench, r.value, r.metric, said)
	return missed
}

// calibrate hashes for a moment and returns megabytes a second.
func calibrate() float64 {
	block := make([]byte, 1<<20)
	begun, n := time.Now(), 0
	for time.Since(begun) < 300*time.Millisecond {
		sha256.Sum256(block)
		n++
	}
	return float64(n) / time.Since(begun).Seconds()
}
