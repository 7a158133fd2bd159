"""The output area of a notebook, as HTML."""

from datetime import timedelta

from soltrace.at_hand.html import area_html
from soltrace.at_hand.picture import Picture
from soltrace.at_hand.story import Story

PAGE = """
<div>
<div><b>soltrace: 1 pass still open, 2 passes ended; the cell was interrupted</b></div>
<table style="margin:0.3em 0;text-align:right">
<tr>
<th></th>
<th>experiment</th>
<th>phase</th>
<th>passes</th>
<th>ended</th>
<th>in all</th>
<th>median</th>
<th>steps</th>
<th>rejected</th></tr>
<tr>
<td>✓</td>
<td>&lt;fit&gt;</td>
<td>forward</td>
<td>2</td>
<td>ok</td>
<td>2.48 s</td>
<td>1.24 s</td>
<td>9,204</td>
<td>34</td></tr></table>
<table style="margin:0.3em 0;text-align:right">
<tr>
<th>experiment</th>
<th>phase</th>
<th>solve</th>
<th>progress</th>
<th>t</th>
<th>steps</th>
<th>rate</th>
<th>left</th></tr>
<tr>
<td>&lt;fit&gt;</td>
<td>forward</td>
<td>#3</td>
<td style="font-family:monospace;white-space:pre">━━━━━───────────────  25.0 %</td>
<td>25.00</td>
<td>20 steps</td>
<td>2/s</td>
<td>eta ~30 s</td></tr>
<tr>
<td></td>
<td colspan="7" style="text-align:left">╰ 1/3 lanes done · energy 3.5</td></tr></table>
<div style="color:#c62828">&lt;fit&gt;: experiment FAILED in 3 s: &lt;no&gt;</div></div>"""


def test_what_is_open_and_what_is_over(log):
    """A table of each; names are text, whatever is in them."""
    log.experiment = "<fit>"
    story = Story()
    story.feed([log.ended(1, 1), log.ended(2, 2), log.experiment_ended(3, error="<no>")], 0.0)
    lanes = log.progress(50, 3, progress=0.25, step=20, lanes=log.lanes(3, 1), watched={"energy": 3.5})
    story.feed([log.started(40, 3, lanes=[3]), lanes], 1.0)
    now = log.start + timedelta(seconds=50)
    page = area_html(story, Picture(story), now, "the cell was interrupted", last=True)
    assert page.replace("\n", "").replace("<t", "\n<t").replace("<div", "\n<div").replace("&nbsp;", " ") == PAGE
