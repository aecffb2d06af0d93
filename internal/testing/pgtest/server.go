//go:build unix

package pgtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A cluster is a folder with the data and the socket of a server of our own, and two lock files. Whoever starts or stops
// the server holds the lock "start"; every test process holds a shared lock on "users" for as long as it lives, which the
// system takes away even from a process that is killed.
type cluster struct {
	dir string
	bin string
	as  *syscall.Credential // PostgreSQL refuses to run as root
}

const idle = 20 * time.Second // how long a server outlives its last user

// watchEnv makes a copy of a test binary the watchdog of the cluster it names, instead of running tests.
const watchEnv = "PLUMBLINE_PGTEST_WATCH"

func init() {
	if dir := os.Getenv(watchEnv); dir != "" {
		watch(dir)
		os.Exit(0)
	}
}

// join returns the URL of the shared server, starting it if there is none.
func join() (string, error) {
	c, err := newCluster(filepath.Join(os.TempDir(), fmt.Sprintf("plumbline-pg-%d", os.Getuid())))
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(c.dir, 0o711); err != nil {
		return "", err
	}
	if info, err := os.Lstat(c.dir); err != nil || !info.IsDir() || info.Sys().(*syscall.Stat_t).Uid != uint32(os.Getuid()) {
		return "", fmt.Errorf("%s is not a folder of ours (%v)", c.dir, err) // somebody else on the machine made it
	}
	unlock, err := lock(filepath.Join(c.dir, "start"), syscall.LOCK_EX)
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := lock(filepath.Join(c.dir, "users"), syscall.LOCK_SH); err != nil { // kept until the process ends
		return "", err
	}
	if ping(c.url()) == nil {
		return c.url(), nil
	}
	if err := c.start(); err != nil {
		return "", err
	}
	return c.url(), nil
}

func newCluster(dir string) (*cluster, error) {
	c := &cluster{dir: dir}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/pg_ctl")
	if err != nil {
		return nil, err
	}
	slices.SortFunc(found, func(a, b string) int { return majorVersion(b) - majorVersion(a) })
	if p, err := exec.LookPath("pg_ctl"); err == nil {
		found = append(found, p)
	}
	if len(found) == 0 {
		return nil, errors.New("pg_ctl is neither in /usr/lib/postgresql nor in PATH")
	}
	c.bin = filepath.Dir(found[0])
	if os.Getuid() == 0 {
		u, err := user.Lookup("postgres")
		if err != nil {
			return nil, fmt.Errorf("PostgreSQL does not run as root: %w", err)
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		c.as = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	return c, nil
}

func majorVersion(pgctl string) int {
	n, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(pgctl))))
	if err != nil {
		return 0 // not laid out by version: last choice
	}
	return n
}

func (c *cluster) data() string { return filepath.Join(c.dir, "data") }

func (c *cluster) url() string { return "postgres://postgres@/postgres?port=5432&host=" + c.data() }

// start makes a new cluster, whatever an earlier one left behind, and a watchdog that will stop it.
func (c *cluster) start() error {
	_ = c.command("pg_ctl", "stop", "-D", c.data(), "-m", "immediate").Run() // usually there is none to stop
	if err := os.RemoveAll(c.data()); err != nil {
		return err
	}
	if err := os.Mkdir(c.data(), 0o700); err != nil {
		return err
	}
	if c.as != nil {
		if err := os.Chown(c.data(), int(c.as.Uid), int(c.as.Gid)); err != nil {
			return err
		}
	}
	if out, err := c.command("initdb", "-D", c.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C").CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	settings := []string{
		"-c listen_addresses=''", "-c port=5432", "-c unix_socket_directories=" + c.data(), "-c max_connections=200",
		// The tests kill our processes, never the server or the machine: flushing would only cost time. Whoever
		// measures durable writes names a server of their own in PLUMBLINE_TEST_POSTGRES.
		"-c shared_buffers=128MB", "-c fsync=off", "-c full_page_writes=off", "-c synchronous_commit=on",
	}
	// The server keeps what it inherits open: its output goes to a file, else "go test" would wait for it.
	out, err := c.command("pg_ctl", "start", "-w", "-D", c.data(), "-l", filepath.Join(c.data(), "log"),
		"-o", strings.Join(settings, " ")).CombinedOutput()
	if err != nil {
		return fmt.Errorf("pg_ctl start: %w: %s", err, out)
	}
	return c.startWatchdog()
}

func (c *cluster) startWatchdog() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	w := exec.Command(self)
	w.Env = append(os.Environ(), watchEnv+"="+c.dir)
	w.Dir = c.dir
	w.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := w.Start(); err != nil {
		return err
	}
	return w.Process.Release()
}

// watch stops the server in dir once nobody has used it for a while.
func watch(dir string) {
	c, err := newCluster(dir)
	if err != nil {
		return
	}
	last := time.Now()
	for {
		time.Sleep(idle / 10)
		unlock, err := lock(filepath.Join(dir, "start"), syscall.LOCK_EX|syscall.LOCK_NB)
		if err != nil {
			last = time.Now() // somebody is joining
			continue
		}
		free, err := lock(filepath.Join(dir, "users"), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err != nil:
			last = time.Now()
		case time.Since(last) > idle:
			_ = c.command("pg_ctl", "stop", "-D", c.data(), "-m", "fast").Run() // nobody is there to be told
			_ = os.RemoveAll(c.data())
			return // the system takes the locks back
		default:
			free()
		}
		unlock()
	}
}

// command runs a program of PostgreSQL as the user it wants.
func (c *cluster) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(c.bin, name), args...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: c.as}
	return cmd
}

// lock locks a file and returns what unlocks it; the end of the process does so as well.
func lock(path string, how int) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), how); err != nil {
		_ = f.Close()
		return nil, err
	}
	kept = append(kept, f)
	return func() { _ = f.Close() }, nil
}

// kept keeps locked files from being closed by the garbage collector.
var kept []*os.File
