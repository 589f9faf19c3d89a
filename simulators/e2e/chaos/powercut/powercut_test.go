package powercut_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/linshao/linshao/simulators/e2e/chaos/powercut"
)

// story is a trace as a person writes it: strings in clear, pid 7 unless the
// line says another.
type story struct {
	t     *testing.T
	trace *powercut.Trace
}

var quoted = regexp.MustCompile(`"([^"]*)"|<(/[^>]*)>`)

func clear(line string) string {
	if !regexp.MustCompile(`^\d+ `).MatchString(line) {
		line = "7 " + line
	}
	return quoted.ReplaceAllStringFunc(line, func(s string) string {
		hex := ""
		for _, b := range []byte(s[1 : len(s)-1]) {
			hex += fmt.Sprintf(`\x%02x`, b)
		}
		return s[:1] + hex + s[len(s)-1:]
	})
}

func parse(lines string) (*powercut.Trace, error) {
	return powercut.Parse("/r", written(lines))
}

// written is a story as strace would have written it.
func written(lines string) io.Reader {
	var b strings.Builder
	for _, l := range strings.Split(strings.TrimSpace(lines), "\n") {
		if l = strings.TrimSpace(l); l != "" {
			b.WriteString(clear(l) + "\n")
		}
	}
	return strings.NewReader(b.String())
}

func tell(t *testing.T, lines string) story {
	t.Helper()
	tr, err := parse(lines)
	if err != nil {
		t.Fatal(err)
	}
	return story{t, tr}
}

// disk is the disk behind the first n lines that are one call each.
func (s story) disk(at int) *powercut.Disk {
	s.t.Helper()
	d, err := s.trace.NewDisk("")
	if err == nil {
		err = d.Advance(at)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return d
}

func (s story) want(im *powercut.Image, files ...string) {
	s.t.Helper()
	if len(im.Files) != len(files)/2 {
		s.t.Errorf("image holds %d files, want %d", len(im.Files), len(files)/2)
	}
	for i := 0; i < len(files); i += 2 {
		if b, ok := im.Bytes(files[i]); !ok || string(b) != files[i+1] {
			s.t.Errorf("%s holds %.40q (%t), want %.40q", files[i], b, ok, files[i+1])
		}
	}
}

const twoSyncs = `
	openat(AT_FDCWD</x>, "/r/a", O_RDWR|O_CREAT|O_EXCL|O_CLOEXEC, 0600) = 5</r/a>
	pwrite64(5</r/a>, "one", 3, 0) = 3
	fdatasync(5</r/a>) = 0
	openat(AT_FDCWD</x>, "/r", O_RDONLY|O_CLOEXEC) = 6</r>
	fsync(6</r>) = 0
	close(6</r>) = 0
	write(5</r/a>, "TWO, more", 9) = 9
	`

func TestOnlyWhatWasSyncedIsPromised(t *testing.T) {
	t.Parallel()
	s := tell(t, twoSyncs)
	s.want(s.disk(6).Worst())                   // file synced, its name not
	s.want(s.disk(6).Kept(), "a", "one")        //
	s.want(s.disk(10).Worst(), "a", "one")      // and now its name
	s.want(s.disk(14).Worst(), "a", "one")      // a write that nobody synced
	s.want(s.disk(14).Kept(), "a", "TWO, more") //
	s.want(s.disk(13).Kept(), "a", "TWO, more") // it may be there before it returned
	if got := fmt.Sprint(s.trace.Syncs()); got != "[5 6 9 10]" {
		t.Errorf("syncs at %s", got)
	}
}

// Two replays of one trace do not disturb each other.
func TestReplaysAreIndependent(t *testing.T) {
	t.Parallel()
	s := tell(t, twoSyncs)
	s.want(s.disk(s.trace.Len()).Kept(), "a", "TWO, more")
	s.want(s.disk(4).Kept(), "a", "one")
	s.want(s.disk(6).Worst())
}

func TestAWriteThatEndsAfterTheSyncBeganIsNotPromised(t *testing.T) {
	t.Parallel()
	s := tell(t, twoSyncs+`
		7 pwrite64(5</r/a>, "late", 4, 0 <unfinished ...>
		8 fdatasync(5</r/a> <unfinished ...>
		7 <... pwrite64 resumed>) = 4
		8 <... fdatasync resumed>) = 0
		pwrite64(5</r/a>, "killed", 6, 0 <unfinished ...>`)
	s.want(s.disk(s.trace.Len()).Worst(), "a", "TWO, more")
	s.want(s.disk(s.trace.Len()-1).Kept(), "a", "killedore")
	s.want(s.disk(s.trace.Len()).Kept(), "a", "late more")
}

func TestNamesAreDurableWithTheirFolder(t *testing.T) {
	t.Parallel()
	s := tell(t, twoSyncs+`
		fdatasync(5</r/a>) = 0
		mkdirat(AT_FDCWD</x>, "/r/d", 0700) = 0
		openat(AT_FDCWD</x>, "/r/d/b", O_RDWR|O_CREAT, 0600) = 6</r/d/b>
		write(6</r/d/b>, "new", 3) = 3
		fsync(6</r/d/b>) = 0
		openat(AT_FDCWD</x>, "/r/d", O_RDONLY|O_CLOEXEC) = 8</r/d>
		fsync(8</r/d>) = 0
		renameat(AT_FDCWD</x>, "/r/d/b", AT_FDCWD</x>, "/r/d/c") = 0
		unlinkat(AT_FDCWD</x>, "/r/a", 0) = 0
		openat(AT_FDCWD</x>, "/r", O_RDONLY|O_CLOEXEC) = 9</r>
		fsync(9</r>) = 0
		fsync(8</r/d>) = 0`)
	n := s.trace.Len()
	s.want(s.disk(n-10).Worst(), "a", "TWO, more") // the folder's own name is not kept
	s.want(s.disk(n-4).Worst(), "a", "TWO, more")
	s.want(s.disk(n-4).Kept(), "d/c", "new")
	s.want(s.disk(n-2).Worst(), "d/b", "new") // renamed, but not for good
	s.want(s.disk(n).Worst(), "d/c", "new")
}

// A rename that replaces is never seen half done.
func TestARenameIsWhole(t *testing.T) {
	t.Parallel()
	s := tell(t, twoSyncs+`
		fdatasync(5</r/a>) = 0
		openat(AT_FDCWD</x>, "/r/n", O_RDWR|O_CREAT, 0600) = 6</r/n>
		write(6</r/n>, "new", 3) = 3
		fsync(6</r/n>) = 0
		renameat(AT_FDCWD</x>, "/r/n", AT_FDCWD</x>, "/r/a") = 0`)
	d := s.disk(s.trace.Len())
	seen := map[string]int{}
	for i := range uint64(500) {
		im := d.Crash(rand.New(rand.NewPCG(i, 1)))
		a, ok := im.Bytes("a")
		n, _ := im.Bytes("n")
		if !ok || string(a) != "TWO, more" && string(a) != "new" {
			t.Fatalf("a holds %q (%t)", a, ok)
		}
		seen[string(a)+"/"+string(n)]++
	}
	if seen["TWO, more/"] == 0 || seen["TWO, more/new"] == 0 || seen["new/"] == 0 {
		t.Errorf("images seen: %v", seen)
	}
}

// What was not synced is torn between sectors and nowhere else, and every way
// to tear it is met.
func TestWritesAreTornBySector(t *testing.T) {
	t.Parallel()
	old, fresh := strings.Repeat("o", 1024), strings.Repeat("f", 1500)
	s := tell(t, `
		openat(AT_FDCWD</x>, "/r/a", O_RDWR|O_CREAT, 0600) = 5</r/a>
		pwrite64(5</r/a>, "`+old+`", 1024, 0) = 1024
		fdatasync(5</r/a>) = 0
		openat(AT_FDCWD</x>, "/r", O_RDONLY) = 6</r>
		fsync(6</r>) = 0
		pwrite64(5</r/a>, "`+fresh+`", 1500, 100) = 1500`)
	d := s.disk(s.trace.Len())
	seen := map[string]bool{}
	for i := range uint64(4000) {
		b, _ := d.Crash(rand.New(rand.NewPCG(i, 2))).Bytes("a")
		if len(b) < 1024 || len(b) > 1600 || string(b[:100]) != old[:100] {
			t.Fatalf("%d bytes, beginning with %.5s", len(b), b)
		}
		shape := ""
		for _, part := range [][2]int{{100, 512}, {512, 1024}, {1024, 1536}, {1536, 1600}} {
			p := b[min(part[0], len(b)):min(part[1], len(b))]
			for _, of := range "of\x00" {
				if len(p) > 0 && len(bytes.Trim(p, string(of))) == 0 {
					shape += string(of)
				}
			}
		}
		seen[shape] = true
	}
	for _, want := range []string{"oo", "of", "fo", "off", "ff", "ffff", "oo\x00f", "oof", "oo\x00\x00", "off\x00"} {
		if !seen[want] {
			t.Errorf("no image is torn like %q", want)
		}
	}
}

func TestLengthsAndAppends(t *testing.T) {
	t.Parallel()
	s := tell(t, `
		open("/r/a", O_WRONLY|O_CREAT|O_APPEND, 0600) = 5</r/a>
		write(5</r/a>, "one", 3) = 3
		write(5</r/a>, "two", 3) = 2
		fallocate(5</r/a>, 0, 0, 8) = 0
		fallocate(5</r/a>, FALLOC_FL_KEEP_SIZE, 0, 80) = 0
		ftruncate(5</r/a>, 4) = 0
		ftruncate(5</r/a>, 6) = 0
		pwrite64(5</r/a>, "!", 1, 7) = -1 ENOSPC (No space left on device)
		openat(AT_FDCWD</x>, "/r/none", O_RDONLY) = -1 ENOENT (No such file or directory)`)
	s.want(s.disk(8).Kept(), "a", "onetw\x00\x00\x00")
	s.want(s.disk(s.trace.Len()).Kept(), "a", "onet\x00\x00")
}

func TestACopyIsAWrite(t *testing.T) {
	t.Parallel()
	s := tell(t, twoSyncs+`
		openat(AT_FDCWD</x>, "/r/a", O_RDONLY) = 6</r/a>
		read(6</r/a>, "T", 1) = 1
		openat(AT_FDCWD</x>, "/r/b", O_WRONLY|O_CREAT, 0600) = 7</r/b>
		copy_file_range(6</r/a>, NULL, 7</r/b>, NULL, 1073741824, 0) = 8
		copy_file_range(6</r/a>, NULL, 7</r/b>, NULL, 1073741824, 0) = 0`)
	s.want(s.disk(s.trace.Len()).Kept(), "a", "TWO, more", "b", "WO, more")
}

func TestWhatIsNotModelledIsAnError(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		`dup(5</r/a>) = 6`,
		`copy_file_range(8</y>, NULL, 5</r/a>, NULL, 3, 0) = 3`,
		`truncate("/r/a", 3) = 0`,
		`fallocate(5</r/a>, FALLOC_FL_PUNCH_HOLE|FALLOC_FL_KEEP_SIZE, 0, 2) = 0`,
		`openat(AT_FDCWD</x>, "/r/a", O_RDWR|O_DSYNC) = 6</r/a>`,
		`renameat(AT_FDCWD</x>, "/r/a", AT_FDCWD</x>, "/other") = 0`,
		`linkat(AT_FDCWD</x>, "/r/a", AT_FDCWD</x>, "/r/b", 0) = 0`,
		`pwrite64(44</r/a>, "x", 1, 0) = 1`,
		`fdatasync(5</r/a>) = -1 EIO (Input/output error)`,
	} {
		if _, err := parse(twoSyncs + line); !errors.Is(err, powercut.ErrNotModelled) {
			t.Errorf("%s: %v", line, err)
		}
	}
	if _, err := parse(twoSyncs + `truncate("/other", 3) = 0`); err != nil {
		t.Errorf("a file elsewhere: %v", err)
	}
}

func TestTrafficAndMaps(t *testing.T) {
	t.Parallel()
	s := tell(t, twoSyncs+`
		bind(9<socket:[1]>, {sa_family=AF_INET, sin_port=htons(1883), sin_addr=inet_addr("127.0.0.1")}, 16) = 0
		accept4(9<socket:[1]>, {sa_family=AF_INET, sin_port=htons(4711), sin_addr=inet_addr("127.0.0.1")}, [112 => 16], SOCK_CLOEXEC) = 10<socket:[2]>
		connect(11<socket:[3]>, {sa_family=AF_INET, sin_port=htons(1884), sin_addr=inet_addr("127.0.0.1")}, 16) = -1 EINPROGRESS (Operation now in progress)
		read(10<socket:[2]>, "hello", 4096) = 5
		write(11<socket:[3]>, "up", 2) = 2
		mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_SHARED, 5</r/a>, 0) = 0x7f0000000000
		mmap(NULL, 4096, PROT_READ, MAP_SHARED, 5</r/a>, 0) = 0x7f0000000000`)
	h, o := s.trace.Heard, s.trace.Sent
	if len(h) != 1 || h[0].Conn.Listener != 1883 || h[0].Conn.Remote != 4711 || string(h[0].Data) != "hello" || h[0].At != 22 {
		t.Errorf("heard %+v", h)
	}
	if len(o) != 1 || o[0].Conn.Remote != 1884 || o[0].Conn.Listener != 0 || string(o[0].Data) != "up" || o[0].At != 22 {
		t.Errorf("sent %+v", o)
	}
	if fmt.Sprint(s.trace.Mapped) != "[a]" {
		t.Errorf("mapped %v", s.trace.Mapped)
	}
}

func TestAnImageIsWrittenAndFoundAgain(t *testing.T) {
	t.Parallel()
	s := tell(t, twoSyncs+`
		mkdirat(AT_FDCWD</x>, "/r/d", 0700) = 0
		openat(AT_FDCWD</x>, "/r/d/b", O_RDWR|O_CREAT, 0600) = 6</r/d/b>
		fallocate(6</r/d/b>, 0, 0, 5000) = 0`)
	dir := filepath.Join(t.TempDir(), "image")
	if err := s.disk(s.trace.Len()).Kept().Write(dir); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(filepath.Join(dir, "d/b")); err != nil || st.Size() != 5000 {
		t.Errorf("d/b: %v, %v", st, err)
	}
	d, err := s.trace.NewDisk(dir)
	if err != nil {
		t.Fatal(err)
	}
	s.want(d.Worst(), "a", "TWO, more", "d/b", strings.Repeat("\x00", 5000))
}

func TestFaultsAndWhatWasSyncedAfterThem(t *testing.T) {
	t.Parallel()
	f, err := powercut.ReadFaults(written(`
		openat(AT_FDCWD</x>, "/r/a.seg", O_RDWR|O_CREAT, 0600) = 5</r/a.seg>
		7 fdatasync(5</r/a.seg> <unfinished ...>
		8 fsync(6</r>) = -1 EIO (Input/output error) (INJECTED)
		7 <... fdatasync resumed>) = -1 EIO (Input/output error) (INJECTED)
		fsync(6</r>) = 0
		fdatasync(9</r/b.seg>) = 0
		fdatasync(5</r/a.seg>) = 0
		openat(AT_FDCWD</x>, "/r/a.seg", O_RDWR|O_CREAT, 0600) = 5</r/a.seg>
		fdatasync(5</r/a.seg>) = 0`))
	if err != nil {
		t.Fatal(err)
	}
	want := "{[{3 fsync /r} {2 fdatasync /r/a.seg}] 8 [/r/a.seg]}"
	if got := fmt.Sprint(*f); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
