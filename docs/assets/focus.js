/* What scrolls sideways can be reached by keyboard, and the search has a name for those who hear the page. */
document.addEventListener("DOMContentLoaded", function () {
  const search = document.querySelector(".md-search");
  if (search) search.setAttribute("aria-label", "Search");
  document.querySelectorAll(".md-typeset pre > code, .md-typeset__scrollwrap, .md-typeset p:has(> img)").forEach(function (box) {
    if (box.scrollWidth > box.clientWidth && getComputedStyle(box).overflowX !== "visible") {
      box.tabIndex = 0;
      if (box.tagName !== "CODE") {
        box.setAttribute("role", "group");
        box.setAttribute("aria-label", "Scrolls sideways");
      }
    }
  });
});
