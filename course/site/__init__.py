"""The course as a site: `build` joins the students' pages, the documents and the page that reads drawings."""
