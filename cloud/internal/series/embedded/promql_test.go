package embedded_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/linshao/linshao/cloud/internal/series"
	"github.com/linshao/linshao/cloud/internal/series/embedded"
	"github.com/linshao/linshao/protocol/telemetry"
)

// threeEstates holds one lift each in a, b and a.b, warm by 1, 2 and 3.
func threeEstates(t *testing.T) *embedded.Store {
	t.Helper()
	s := open(t, t.TempDir())
	k := telemetry.SeriesKey{Device: "lift-1", Kind: "access-gate", Metric: "motor_temp"}
	for i, estate := range []string{"a", "b", "a.b"} {
		batch := series.Batch{Estate: estate, Edge: estate + "-1"}
		for n := range int64(60) {
			batch.Samples = append(batch.Samples, telemetry.Sample{Key: k, AtMS: noon.UnixMilli() - n*60_000, Value: float64(i + 1)})
		}
		if _, err := s.Append(t.Context(), []series.Batch{batch}); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

type reply struct {
	Status    string          `json:"status"`
	ErrorType string          `json:"errorType"`
	Data      json.RawMessage `json:"data"`
}

func ask(t *testing.T, h http.Handler, path string, params ...string) (int, reply) {
	t.Helper()
	q := url.Values{}
	for i := 0; i < len(params); i += 2 {
		q.Add(params[i], params[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path+"?"+q.Encode(), nil))
	var r reply
	if err := json.Unmarshal(w.Body.Bytes(), &r); err != nil {
		t.Fatalf("%s answers %d %s", path, w.Code, w.Body)
	}
	return w.Code, r
}

func TestPromQLAnswersLikePrometheus(t *testing.T) {
	t.Parallel()
	h := threeEstates(t).Prometheus(series.Scope{All: true})
	now := fmt.Sprint(noon.Unix())
	for _, c := range []struct {
		path   string
		params []string
		want   string
	}{
		{
			"/api/v1/query",
			[]string{"query", `access_gate_motor_temp{estate="b"}`, "time", now},
			`{"resultType":"vector","result":[{"metric":{"__name__":"access_gate_motor_temp","device":"lift-1","edge":"b-1","estate":"b","kind":"access-gate","metric":"motor_temp"},"value":[` + now + `,"2"]}]}`,
		},
		{"/api/v1/query", []string{"query", "1/0"}, `{"resultType":"scalar","result":[` + now + `,"+Inf"]}`},
		{
			"/api/v1/query_range",
			[]string{"query", "sum(access_gate_motor_temp)", "start", now, "end", now, "step", "1m"},
			`{"resultType":"matrix","result":[{"metric":{},"values":[[` + now + `,"6"]]}]}`,
		},
		{"/api/v1/label/estate/values", nil, `["a","a.b","b"]`},
		{"/api/v1/label/estate/values", []string{"match[]", `{edge="b-1"}`, "match[]", `{edge="a-1"}`}, `["a","b"]`},
		{"/api/v1/labels", nil, `["__name__","device","edge","estate","kind","metric"]`},
		{
			"/api/v1/series",
			[]string{"match[]", `{estate="a"}`, "match[]", `{edge="a-1"}`},
			`[{"__name__":"access_gate_motor_temp","device":"lift-1","edge":"a-1","estate":"a","kind":"access-gate","metric":"motor_temp"}]`,
		},
	} {
		code, r := ask(t, h, c.path, c.params...)
		if code != http.StatusOK || r.Status != "success" || string(r.Data) != c.want {
			t.Errorf("%s %v: %d %s %s\nwant %s", c.path, c.params, code, r.Status, r.Data, c.want)
		}
	}
}

func TestPromQLNeverLeavesItsScope(t *testing.T) {
	t.Parallel()
	s := threeEstates(t)
	now := fmt.Sprint(noon.Unix())
	secrets := func(r reply) bool {
		return strings.Contains(string(r.Data), `b-1`) || strings.Contains(string(r.Data), `"2"`) || strings.Contains(string(r.Data), `"b"`)
	}
	for name, scope := range map[string]series.Scope{
		"a only": {Estates: []string{"a"}}, "nothing": {}, "a and a pattern": {Estates: []string{"a", ".*"}},
	} {
		h := s.Prometheus(scope)
		for _, q := range []string{
			`{estate="b"}`, `{estate=~".+"}`, `{estate!="a"}`, `{__name__=~".+"}`, `access_gate_motor_temp`,
			`sum by (estate) (access_gate_motor_temp) or {estate="b"}`, `max_over_time({estate="b"}[1h])`,
			`max_over_time(access_gate_motor_temp{estate="b"}[30m:1m] offset 5m)`, `{estate="b"} @ end()`,
			`label_replace({estate="b"}, "estate", "a", "", "")`, `{estate="a" or estate="b"}`,
			`topk(10, {device="lift-1"} unless {estate="a"})`,
		} {
			for _, path := range []string{"/api/v1/query", "/api/v1/query_range"} {
				_, r := ask(t, h, path, "query", q, "time", now, "start", now, "end", now, "step", "60")
				if secrets(r) {
					t.Errorf("%s: %s %s shows %s", name, path, q, r.Data)
				}
			}
			if _, r := ask(t, h, "/api/v1/series", "match[]", q); secrets(r) {
				t.Errorf("%s: series %s shows %s", name, q, r.Data)
			}
		}
		for _, label := range []string{"estate", "edge", "device"} {
			if _, r := ask(t, h, "/api/v1/label/"+label+"/values"); secrets(r) {
				t.Errorf("%s: label %s shows %s", name, label, r.Data)
			}
		}
	}
	// And it sees what it may.
	if _, r := ask(t, s.Prometheus(series.Scope{Estates: []string{"a"}}), "/api/v1/label/edge/values"); string(r.Data) != `["a-1"]` {
		t.Errorf("a sees %s", r.Data)
	}
	if _, r := ask(t, s.Prometheus(series.Scope{}), "/api/v1/labels"); string(r.Data) != `[]` {
		t.Errorf("nobody sees %s", r.Data)
	}
}

func TestPromQLRefusesWhatIsWrongOrTooMuch(t *testing.T) {
	t.Parallel()
	h := threeEstates(t).Prometheus(series.Scope{All: true})
	for _, c := range []struct {
		path   string
		params []string
	}{
		{"/api/v1/query", []string{"query", "sum("}},
		{"/api/v1/query", nil},
		{"/api/v1/query", []string{"query", "1", "time", "yesterday"}},
		{"/api/v1/query_range", []string{"query", "1", "start", "10", "end", "5", "step", "1"}},
		{"/api/v1/query_range", []string{"query", "1", "start", "0", "end", "5", "step", "0"}},
		{"/api/v1/query_range", []string{"query", "1", "start", "0", "end", "5", "step", "NaN"}},
		{"/api/v1/query_range", []string{"query", "1", "start", "0", "end", "99999999", "step", "1"}},
		{"/api/v1/series", nil},
		{"/api/v1/series", []string{"match[]", "{"}},
	} {
		if code, r := ask(t, h, c.path, c.params...); code != http.StatusBadRequest || r.Status != "error" || r.ErrorType != "bad_data" {
			t.Errorf("%s %v: %d %+v", c.path, c.params, code, r)
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/v1/query", strings.NewReader(strings.Repeat("x", 1<<20))))
	if w.Code == http.StatusOK {
		t.Error("a megabyte of query was read")
	}
}
